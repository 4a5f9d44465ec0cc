package lifecycle

import (
	"context"
	"fmt"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/state"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/supervisor"
)

// present looks for the cluster as an earlier run left it. What is only half
// there is said, and left to be cleaned up.
func (o Options) present(ctx context.Context) (s state.State, up bool, err error) {
	s, ok, err := state.Load(o.Dir())
	if err != nil || !ok {
		return s, false, err
	}
	why, stopped := "is not running", []string(nil)
	if s.Supervisor.Alive() {
		why, stopped = o.half(s)
	}
	if why != "" {
		o.Say("an earlier cluster %q %s: cleaning up after it", o.Name, why)
		return s, false, nil
	}
	if s.Mode != o.Mode {
		return s, false, fmt.Errorf("cluster %q is up with mode %q, want %q: take it down first, or use another name", o.Name, s.Mode, o.Mode)
	}
	o.Say("cluster %q is up already", o.Name)
	for _, component := range stopped {
		if err := control(ctx, o, s, "start", component); err != nil {
			return s, false, err
		}
	}
	return s, true, nil
}

// half says what is wrong with a cluster whose supervisor runs, and which
// components were stopped on request, with which nothing is wrong.
func (o Options) half(s state.State) (why string, stopped []string) {
	if s.Phase != state.Running {
		return "did not get to the end of its start", nil
	}
	answer, err := supervisor.Call(s.Dir, supervisor.Request{Op: supervisor.OpStatus}, 5*time.Second)
	if err != nil {
		return "has a supervisor that does not answer", nil
	}
	for _, c := range answer.Components {
		switch c.State {
		case supervisor.StateRunning:
		case supervisor.StateStopped:
			stopped = append(stopped, c.Name)
		default:
			return fmt.Sprintf("has lost its %s (%s)", c.Name, c.Exit), nil
		}
	}
	return "", stopped
}
