package lifecycle

import (
	"context"
	"path/filepath"

	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/components"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/parts"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/state"
)

// programs builds or finds everything that will run.
func (o Options) programs(ctx context.Context) (components.Programs, error) {
	dirs := map[string]string{}
	all := parts.All()
	if o.Mode == state.ControlPlane {
		all = all[:1]
	}
	for _, p := range all {
		dir, err := o.Builder.Build(ctx, p)
		if err != nil {
			return components.Programs{}, err
		}
		dirs[p.Name] = dir
	}
	programs := components.Programs{
		Kubernetes: filepath.Join(dirs["kubernetes"], "kubernetes"),
		Containerd: dirs["containerd"], CNI: dirs["cni"], CoreDNS: dirs["coredns"], Pause: dirs["pause"],
	}
	if o.Mode == state.ControlPlane {
		return programs, nil
	}
	var err error
	if programs.Tools, err = o.Builder.Tools(ctx); err != nil {
		return components.Programs{}, err
	}
	programs.Runc, err = programs.Tools.Find("runc", o.Builder.Env)
	return programs, err
}

// Build only builds, for a start without waiting later.
func Build(ctx context.Context, o Options) error {
	_, err := o.programs(ctx)
	return err
}
