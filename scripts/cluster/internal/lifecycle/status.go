package lifecycle

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/components"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/kube"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/state"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/supervisor"
)

// A Component is how one component does.
type Component struct {
	supervisor.Status
	HostPID int    `json:"hostPID,omitempty"` // in the machine's process namespace
	Health  string `json:"health"`            // ok, or what is wrong
	Log     string `json:"log"`
}

// A Report is how a cluster does.
type Report struct {
	state.State
	Up         bool        `json:"up"` // its supervisor runs
	Components []Component `json:"components"`
}

// Healthy says whether all components work.
func (r Report) Healthy() bool {
	for _, c := range r.Components {
		if c.Health != healthy {
			return false
		}
	}
	return r.Up && r.Phase == state.Running
}

const healthy = "ok"

// Status reports on the cluster.
func Status(ctx context.Context, o Options) (Report, error) {
	s, ok, err := state.Load(o.Dir())
	if err != nil {
		return Report{}, err
	}
	if !ok {
		return Report{}, o.notUp()
	}
	r := Report{State: s, Up: s.Supervisor.Alive()}
	if !r.Up {
		return r, nil
	}
	answer, err := supervisor.Call(s.Dir, supervisor.Request{Op: supervisor.OpStatus}, 5*time.Second)
	if err != nil && s.Supervisor.Wait(time.Second) {
		r.Up = false // it ended at this very moment
		return r, nil
	}
	if err != nil {
		return r, err
	}
	config, err := supervisor.Load(configFile(s.Dir))
	if err != nil {
		return r, err
	}
	api, err := client(s)
	if err != nil {
		return r, err
	}
	pids := hostPIDs(s.Supervisor.PID)
	r.Components = make([]Component, len(answer.Components))
	var all sync.WaitGroup
	for i, c := range answer.Components {
		all.Go(func() {
			report := Component{Status: c, HostPID: pids[c.PID], Log: config.Components[i].Log, Health: c.State}
			if c.State == supervisor.StateRunning {
				report.Health = healthy
				if err := checkHealth(ctx, api, s.Supervisor.PID, config.Components[i].Health); err != nil {
					report.Health = err.Error()
				}
			} else if c.Exit != "" {
				report.Health = c.Exit
			}
			r.Components[i] = report
		})
	}
	all.Wait()
	return r, nil
}

func client(s state.State) (*kube.Client, error) {
	return kube.New(s.Server, components.Cluster{Dir: s.Dir}.PKI(), components.Admin)
}

// checkHealth asks a component how it does. A socket is inside the cluster's
// mount namespace, which the kernel shows below /proc.
func checkHealth(ctx context.Context, api *kube.Client, supervisorPID int, health string) error {
	u, err := url.Parse(health)
	if err != nil {
		return err
	}
	if u.Scheme != "unix" {
		return api.GetURL(ctx, health)
	}
	conn, err := net.DialTimeout("unix", inside(supervisorPID, u.Path), time.Second)
	if err != nil {
		return err
	}
	return conn.Close()
}

// inside is a path in the mount namespace of process pid, seen from outside.
func inside(pid int, path string) string { return fmt.Sprintf("/proc/%d/root%s", pid, path) }
