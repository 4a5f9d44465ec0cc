package lifecycle

import (
	"bytes"
	"context"
	"fmt"
	"os"
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

// importImage returns the references that the archive brought. ctr reads the
// archive here and sends it through containerd's socket in the cluster.
func importImage(ctx context.Context, s state.State, file string) ([]string, error) {
	if _, err := os.Stat(file); err != nil {
		return nil, fmt.Errorf("cannot read image archive: %w", err)
	}
	absolute, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, s.Ctr, "--address", inside(s.Supervisor.PID, components.ContainerdSocket),
		"--namespace", "k8s.io", "images", "import", absolute)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("cannot import image archive %s: %w: %s", file, err, lastLine(stderr.String()))
	}
	references := saved(stdout.String())
	if len(references) == 0 {
		return nil, fmt.Errorf("image archive %s names no image: give its image a name, such as example.com/app:1, when saving it", file)
	}
	return references, nil
}

// saved picks the references out of what ctr prints: each stands before the
// word "saved", among lines about progress.
func saved(output string) []string {
	var references []string
	for line := range strings.Lines(output) {
		if f := strings.Fields(line); len(f) == 2 && f[1] == "saved" {
			references = append(references, f[0])
		}
	}
	return references
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}
