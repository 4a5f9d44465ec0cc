package lifecycle

import (
	"context"
	"fmt"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/state"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/supervisor"
)

// Control starts, stops, kills or restarts a component, and returns when a
// started one is healthy.
func Control(ctx context.Context, o Options, verb, component string) error {
	unlock, err := o.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	s, ok, err := state.Load(o.Dir())
	if err != nil {
		return err
	}
	if !ok || !s.Supervisor.Alive() {
		return o.notUp()
	}
	return control(ctx, o, s, verb, component)
}

func control(ctx context.Context, o Options, s state.State, verb, component string) error {
	begin := time.Now()
	for _, op := range operations(verb) {
		if _, err := supervisor.Call(s.Dir, supervisor.Request{Op: op, Component: component}, 30*time.Second); err != nil {
			return err
		}
		if op == supervisor.OpStart {
			if err := awaitComponent(ctx, s, component); err != nil {
				return err
			}
		}
	}
	o.Say("%s of %s done after %s", verb, component, seconds(begin))
	return nil
}

func operations(verb string) []string {
	switch verb {
	case "restart":
		return []string{supervisor.OpStop, supervisor.OpStart}
	case "kill":
		return []string{supervisor.OpKill}
	case "stop":
		return []string{supervisor.OpStop}
	default:
		return []string{supervisor.OpStart}
	}
}

func awaitComponent(ctx context.Context, s state.State, name string) error {
	config, err := supervisor.Load(configFile(s.Dir))
	if err != nil {
		return err
	}
	api, err := client(s)
	if err != nil {
		return err
	}
	for _, c := range config.Components {
		if c.Name != name {
			continue
		}
		dead := func() error {
			answer, err := supervisor.Call(s.Dir, supervisor.Request{Op: supervisor.OpStatus}, 5*time.Second)
			if err != nil {
				return err
			}
			for _, status := range answer.Components {
				if status.Name == name && status.State == supervisor.StateExited {
					return fmt.Errorf("%s ended by itself (%s)%s", name, status.Exit, logTail(c.Log))
				}
			}
			return nil
		}
		return await(ctx, name, controlPlaneTimeout, dead, func() error { return checkHealth(ctx, api, s.Supervisor.PID, c.Health) })
	}
	return nil
}
