package lifecycle

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
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

// hostPIDs maps the numbers of processes in the process namespace of process
// pid to their numbers here.
func hostPIDs(pid int) map[int]int {
	namespace, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid))
	if err != nil {
		return nil
	}
	pids := map[int]int{}
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range all {
		if ns, err := os.Readlink(dir + "/ns/pid"); err != nil || ns != namespace {
			continue
		}
		data, err := os.ReadFile(dir + "/status")
		if err != nil {
			continue
		}
		if outer, inner, ok := numbers(string(data)); ok {
			pids[inner] = outer
		}
	}
	return pids
}

// numbers reads the line NSpid of /proc/PID/status: a process's numbers from
// the outermost to the innermost namespace.
func numbers(status string) (outer, inner int, ok bool) {
	for line := range strings.Lines(status) {
		rest, found := strings.CutPrefix(line, "NSpid:")
		if !found {
			continue
		}
		fields := strings.Fields(rest)
		if len(fields) < 2 {
			return 0, 0, false
		}
		outer, err := strconv.Atoi(fields[0])
		if err != nil {
			return 0, 0, false
		}
		inner, err := strconv.Atoi(fields[len(fields)-1])
		return outer, inner, err == nil
	}
	return 0, 0, false
}

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

// Kubectl replaces this process by kubectl for the cluster.
func Kubectl(o Options, args, env []string) error {
	s, ok, err := state.Load(o.Dir())
	if err != nil {
		return err
	}
	if !ok || !s.Supervisor.Alive() {
		return o.notUp()
	}
	return syscall.Exec(s.Kubectl, append([]string{"kubectl", "--kubeconfig=" + s.Kubeconfig}, args...), withoutProxies(env))
}

// withoutProxies drops what would make kubectl look for a server on this
// machine through a proxy.
func withoutProxies(env []string) []string {
	var kept []string
	for _, e := range env {
		name, _, _ := strings.Cut(e, "=")
		if n := strings.ToUpper(name); n != "HTTPS_PROXY" && n != "HTTP_PROXY" {
			kept = append(kept, e)
		}
	}
	return kept
}

// Kubeconfig returns the path of the cluster's kubeconfig.
func Kubeconfig(o Options) (string, error) {
	s, ok, err := state.Load(o.Dir())
	if err != nil {
		return "", err
	}
	if !ok || !s.Supervisor.Alive() {
		return "", o.notUp()
	}
	return s.Kubeconfig, nil
}
