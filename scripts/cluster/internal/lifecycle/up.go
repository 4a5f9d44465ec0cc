package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/cgroup"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/components"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/kube"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/kubeconfig"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/parts"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/pki"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/plan"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/sandbox"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/state"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/supervisor"
)

// What a cluster needs while it runs: its data base and logs, and with a node
// the images and the writable layers of containers.
const (
	spaceForControlPlane = 512 << 20
	spaceForNode         = 2 << 30
)

// Up brings the cluster up, building what it needs, and returns its state.
// One that is up already stays as it is.
func Up(ctx context.Context, o Options) (s state.State, err error) {
	if os.Geteuid() != 0 {
		return s, errors.New("this needs root: it makes namespaces and network devices, try sudo")
	}
	unlock, err := o.lock(ctx)
	if err != nil {
		return state.State{}, err
	}
	defer unlock()
	s, up, err := o.present(ctx)
	if up || err != nil {
		return s, err
	}
	defer func() {
		if err != nil {
			os.Remove(o.Dir()) // which works only while it is empty
		}
	}()
	if err := clean(o.Dir(), false); err != nil {
		return s, err
	}
	hierarchies, snapshotter, err := o.preflight(ctx)
	if err != nil {
		return s, err
	}
	programs, err := o.programs(ctx)
	if err != nil {
		return s, err
	}
	b := &bringUp{Options: o, begin: time.Now(), hierarchies: hierarchies}
	b.cluster = components.Cluster{
		Dir: o.Dir(), Node: o.Mode == state.Node, NodeName: o.Name + "-node",
		Programs: programs, Snapshotter: snapshotter, APIServerArgs: o.APIServerArgs,
	}
	if err := b.run(ctx); err != nil {
		return s, b.undo(ctx, err)
	}
	o.Say("cluster %q is up after %s", o.Name, seconds(b.begin))
	return b.state, nil
}

// bringUp is one attempt to bring a cluster up.
type bringUp struct {
	Options
	begin       time.Time
	hierarchies []cgroup.Hierarchy
	cluster     components.Cluster
	state       state.State
	child       *child
	api         *kube.Client
}

func (b *bringUp) run(ctx context.Context) error {
	for _, dir := range []string{"config/cni", "logs", "scratch", "var", "bin", "volume-plugins"} {
		if err := os.MkdirAll(filepath.Join(b.Dir(), dir), 0o755); err != nil {
			return fmt.Errorf("cannot make the cluster's folder: %w", err)
		}
	}
	if err := b.claim(); err != nil {
		return err
	}
	if err := b.configure(); err != nil {
		return err
	}
	if err := b.child.release(); err != nil {
		return err
	}
	steps := []func(context.Context) error{b.awaitSupervisor, b.startControlPlane}
	if b.cluster.Node {
		steps = append(steps, b.startNode)
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	b.state.Phase = state.Running
	if err := b.state.Save(); err != nil {
		return err
	}
	return b.call(supervisor.OpKeep, "")
}

// claim starts the supervisor, still waiting, and wins a slot for it.
func (b *bringUp) claim() error {
	var err error
	if b.child, err = startChild(b.Dir()); err != nil {
		return err
	}
	process, err := state.Identify(b.child.pid())
	if err != nil {
		return fmt.Errorf("the supervisor ended at once: %w%s", err, logTail(b.child.log))
	}
	p, index, err := claimSlot(b.cluster.Node, b.child.pid())
	if err != nil {
		return err
	}
	b.cluster.Plan = p
	b.state = state.State{
		Name: b.Name, Mode: b.Mode, Phase: state.Starting, Dir: b.Dir(),
		Kubeconfig: filepath.Join(b.Dir(), "kubeconfig"), Server: b.cluster.Server(),
		HostAddress: p.Host.String(), ServiceCIDR: plan.ServiceCIDR, Version: parts.Kubernetes,
		Kubectl: filepath.Join(b.Dir(), "bin", "kubectl"), StartedAt: b.begin.UTC().Truncate(time.Second),
		Plan: p, Supervisor: process, Traces: state.Traces{LinkIndex: index},
	}
	if !b.cluster.Node {
		return b.state.Save()
	}
	b.state.NodeAddress, b.state.NodeName, b.state.PodCIDR = p.Node.String(), b.cluster.NodeName, p.Pods.String()
	b.state.Containerd, b.state.Snapshotter = b.cluster.Programs.Containerd, b.cluster.Snapshotter
	b.state.Traces.Cgroup = fmt.Sprintf("%s-%d", p.Device, process.Start)
	b.state.Traces.Hierarchies = b.hierarchies
	// Saved before the groups are made, so that they are found in any case.
	if err := b.state.Save(); err != nil {
		return err
	}
	return cgroup.Create(b.hierarchies, b.state.Traces.Cgroup)
}

// configure writes every file the components and the supervisor read.
func (b *bringUp) configure() error {
	c := b.cluster
	if err := pki.Create(c.PKI(), c.Certificates(), time.Now()); err != nil {
		return err
	}
	for _, user := range c.Users() {
		if err := kubeconfig.Write(c.Kubeconfig(user), b.Name, c.Server(), c.PKI(), user); err != nil {
			return err
		}
	}
	if err := kubeconfig.Write(b.state.Kubeconfig, b.Name, c.Server(), c.PKI(), components.Admin); err != nil {
		return err
	}
	files, err := c.Files()
	if err != nil {
		return err
	}
	for path, data := range files {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			return err
		}
	}
	if err := os.Symlink(c.Programs.Kubernetes, b.state.Kubectl); err != nil {
		return err
	}
	b.api, err = kube.New(c.Server(), c.PKI(), components.Admin)
	if err != nil {
		return err
	}
	return b.supervisorConfig().Save(configFile(b.Dir()))
}

func (b *bringUp) supervisorConfig() supervisor.Config {
	return supervisor.Config{
		Dir:        b.Dir(),
		Components: b.cluster.List(),
		Sandbox: sandbox.Config{
			Plan: b.cluster.Plan, Hostname: b.cluster.NodeName, Node: b.cluster.Node,
			Hierarchies: b.hierarchies, Cgroup: b.state.Traces.Cgroup,
			Var: filepath.Join(b.Dir(), "var"), Scratch: filepath.Join(b.Dir(), "scratch"),
			Keep: []string{b.Dir(), b.Builder.Cache.Dir},
		},
	}
}

// undo ends what was begun, keeps the logs, and makes err say where they are.
func (b *bringUp) undo(ctx context.Context, err error) error {
	b.child.abandon()
	if cleanErr := clean(b.Dir(), true); cleanErr != nil {
		err = fmt.Errorf("%w (and %w)", err, cleanErr)
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return fmt.Errorf("start of cluster %q interrupted: nothing of it is left running", b.Name)
	}
	return err
}

func seconds(since time.Time) string { return fmt.Sprintf("%.1fs", time.Since(since).Seconds()) }
