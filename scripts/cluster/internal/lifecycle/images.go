package lifecycle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/components"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/state"
)

// LoadImages imports image archives, as docker save or an OCI layout in a tar
// file, into the cluster's node.
func LoadImages(ctx context.Context, o Options, files []string) error {
	s, ok, err := state.Load(o.Dir())
	if err != nil {
		return err
	}
	if !ok || !s.Supervisor.Alive() {
		return o.notUp()
	}
	if s.Mode != state.Node {
		return fmt.Errorf("cluster %q has no node to load images into: start one without --control-plane-only", o.Name)
	}
	for _, file := range files {
		references, err := importImage(ctx, s, file)
		if err != nil {
			return err
		}
		for _, r := range references {
			o.Say("loaded %s from %s", r, file)
		}
	}
	return nil
}

// importImage returns the references that the archive brought. It is read here
// and sent through containerd's socket in the cluster.
func importImage(ctx context.Context, s state.State, file string) ([]string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(s.Containerd, "import-images"),
		inside(s.Supervisor.PID, components.ContainerdSocket), s.Snapshotter, file)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil, fmt.Errorf("cannot load %s", lastLine(stderr.String()))
	}
	if err != nil {
		return nil, fmt.Errorf("cannot load image archive %s: %w", file, err)
	}
	return strings.Fields(stdout.String()), nil
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}
