package lifecycle

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/components"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/image"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/supervisor"
)

// Generous, because the machine may be busy: what fails for another reason is
// noticed at once.
const (
	supervisorTimeout   = 30 * time.Second
	controlPlaneTimeout = 120 * time.Second
	nodeTimeout         = 120 * time.Second
)

func (b *bringUp) call(op, component string) error {
	_, err := supervisor.Call(b.Dir(), supervisor.Request{Op: op, Component: component}, 30*time.Second)
	return err
}

func (b *bringUp) start(names ...string) error {
	for _, name := range names {
		if err := b.call(supervisor.OpStart, name); err != nil {
			return err
		}
	}
	return nil
}

// dead fails if the supervisor or a component ended by itself.
func (b *bringUp) dead() error {
	if err := b.child.dead(); err != nil {
		return err
	}
	answer, err := supervisor.Call(b.Dir(), supervisor.Request{Op: supervisor.OpStatus}, 5*time.Second)
	if err != nil {
		return nil // not listening yet
	}
	for _, c := range answer.Components {
		if c.State == supervisor.StateExited {
			return fmt.Errorf("%s ended by itself (%s)%s", c.Name, c.Exit, logTail(b.cluster.Log(c.Name)))
		}
	}
	return nil
}

func (b *bringUp) awaitSupervisor(ctx context.Context) error {
	return await(ctx, "the supervisor", supervisorTimeout, b.dead, func() error { return b.call(supervisor.OpStatus, "") })
}

func (b *bringUp) startControlPlane(ctx context.Context) error {
	first := []string{components.Etcd, components.APIServer}
	if b.cluster.Node {
		first = append(first, components.Containerd)
	}
	if err := b.start(first...); err != nil {
		return err
	}
	if err := b.awaitAPI(ctx, "kube-apiserver", "/livez/ping"); err != nil {
		return err
	}
	if b.cluster.Node {
		// The kubelet takes longest, and its rights do not depend on roles.
		if err := b.start(components.Kubelet); err != nil {
			return err
		}
	}
	// Without roles the others end, or try again only after some seconds.
	if err := b.awaitAPI(ctx, "kube-apiserver", "/readyz/poststarthook/rbac/bootstrap-roles"); err != nil {
		return err
	}
	second := []string{components.ControllerManager, components.Scheduler}
	if b.cluster.Node {
		second = append(second, components.Proxy)
	}
	if err := b.start(second...); err != nil {
		return err
	}
	if err := b.awaitAPI(ctx, "kube-apiserver", "/readyz"); err != nil {
		return err
	}
	// Without it no pod can be created.
	if err := b.awaitAPI(ctx, "the default service account", "/api/v1/namespaces/default/serviceaccounts/default"); err != nil {
		return err
	}
	b.Say("control plane ready after %s (%s)", seconds(b.begin), b.state.Server)
	return nil
}

func (b *bringUp) awaitAPI(ctx context.Context, what, path string) error {
	return await(ctx, what, controlPlaneTimeout, b.dead, func() error { return b.api.Get(ctx, path, nil) })
}

func (b *bringUp) startNode(ctx context.Context) error {
	for _, o := range b.cluster.Objects() {
		err := await(ctx, o.Path, controlPlaneTimeout, b.dead, func() error { return b.api.Create(ctx, o.Path, o.Object) })
		if err != nil {
			return err
		}
	}
	if err := b.start(components.CoreDNS); err != nil {
		return err
	}
	if err := b.loadPause(ctx); err != nil {
		return err
	}
	err := await(ctx, "node "+b.cluster.NodeName, nodeTimeout, b.dead, func() error { return b.api.NodeReady(ctx, b.cluster.NodeName) })
	if err != nil {
		return err
	}
	b.Say("node ready after %s (%s)", seconds(b.begin), b.cluster.NodeName)
	for _, c := range b.cluster.List() {
		if c.Name != components.CoreDNS && c.Name != components.Proxy {
			continue
		}
		err := await(ctx, c.Name, nodeTimeout, b.dead, func() error { return b.health(ctx, c) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bringUp) health(ctx context.Context, c supervisor.Component) error {
	return checkHealth(ctx, b.api, b.state.Supervisor.PID, c.Health)
}

// loadPause makes the image that every pod begins with.
func (b *bringUp) loadPause(ctx context.Context) error {
	for _, c := range b.cluster.List() {
		if c.Name != components.Containerd {
			continue
		}
		if err := await(ctx, c.Name, nodeTimeout, b.dead, func() error { return b.health(ctx, c) }); err != nil {
			return err
		}
	}
	program, err := os.ReadFile(filepath.Join(b.cluster.Programs.Pause, "pause"))
	if err != nil {
		return err
	}
	path := filepath.Join(b.Dir(), "scratch", "pause.tar")
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer os.Remove(path)
	defer f.Close()
	if err := image.Write(f, components.PauseImage, "pause", runtime.GOARCH, program); err != nil {
		return err
	}
	_, err = importImage(ctx, b.state, path)
	return err
}

// logTail quotes the end of a log and names the file.
func logTail(path string) string {
	const lines = 8
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	all := strings.Split(strings.TrimSpace(string(data)), "\n")
	quoted := strings.Join(all[max(0, len(all)-lines):], "\n  ")
	return fmt.Sprintf(", its log %s ends with\n  %s", path, quoted)
}
