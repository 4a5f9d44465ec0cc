package lifecycle

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/cgroup"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/parts"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/sandbox"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/state"
)

// preflight finds out before the long build whether the cluster could run.
func (o Options) preflight(ctx context.Context) (hierarchies []cgroup.Hierarchy, snapshotter string, err error) {
	if err := os.MkdirAll(o.Dir(), 0o700); err != nil {
		return nil, "", fmt.Errorf("cannot make the cluster's folder: %w", err)
	}
	need := uint64(spaceForControlPlane)
	if o.Mode == state.Node {
		need = spaceForNode
	}
	if err := parts.CheckSpace(o.Dir(), need, "to run a cluster"); err != nil {
		return nil, "", err
	}
	overlay, err := probe(ctx, o.Dir())
	if err != nil || o.Mode == state.ControlPlane {
		return nil, "", err
	}
	snapshotter = "overlayfs"
	if !overlay {
		o.Say("no overlay file system on %s: images are copied instead, which takes more time and space", o.Dir())
		snapshotter = "native"
	}
	hierarchies, err = cgroup.Find()
	return hierarchies, snapshotter, err
}

// noOverlay is the exit status of the probe where overlayfs does not work.
const noOverlay = 3

// probe tries namespaces and an overlay mount in dir in a process that ends
// right after.
func probe(ctx context.Context, dir string) (overlay bool, err error) {
	cmd := selfCommand(ProbeCommand, dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: sandbox.Flags}
	var out bytes.Buffer
	cmd.Stderr = &out
	if err := cmd.Start(); err != nil {
		return false, namespaceError(err)
	}
	err = cmd.Wait()
	if cmd.ProcessState.ExitCode() == noOverlay {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("the namespaces do not work: %s (%w)", lastLine(out.String()), err)
	}
	return true, nil
}

// Probe is the probe itself. It returns an exit status.
func Probe(dir string) int {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		fmt.Fprintf(os.Stderr, "cannot make mounts private: %v", err)
		return 1
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		fmt.Fprintf(os.Stderr, "cannot mount /proc: %v", err)
		return 1
	}
	base, err := os.MkdirTemp(dir, "probe-")
	if err != nil {
		fmt.Fprint(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(base)
	paths := map[string]string{}
	for _, name := range []string{"lower", "upper", "work", "merged"} {
		paths[name] = filepath.Join(base, name)
		if err := os.Mkdir(paths[name], 0o755); err != nil {
			fmt.Fprint(os.Stderr, err)
			return 1
		}
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", paths["lower"], paths["upper"], paths["work"])
	if err := unix.Mount("overlay", paths["merged"], "overlay", 0, options); err != nil {
		return noOverlay
	}
	if err := unix.Unmount(paths["merged"], 0); err != nil {
		fmt.Fprint(os.Stderr, err)
		return 1
	}
	return 0
}
