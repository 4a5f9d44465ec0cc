package lifecycle

import (
	"strings"
	"syscall"

	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/state"
)

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
