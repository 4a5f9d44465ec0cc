package lab

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// Helm4 runs the pinned Helm 4, which applies on the server, as Helm does the
// Helm 3 of this checkout.
func (l *Lab) Helm4(ctx context.Context, args ...string) (string, error) {
	return l.helm(ctx, "helm4", args)
}

// Kubectl runs kubectl with the input, and returns what it printed: the one that
// comes with the embedded cluster of that name or, with LAB_KUBECONFIG, the one
// on the PATH.
func (l *Lab) Kubectl(ctx context.Context, cluster string, input io.Reader, args ...string) (string, error) {
	program, before := clusterProgram(l.Root), []string{"kubectl", "--name", cluster, "--"}
	if os.Getenv(KubeconfigEnv) != "" {
		program, before = "kubectl", []string{"--kubeconfig", l.Kubeconfig}
	}
	cmd := exec.CommandContext(ctx, program, append(before, args...)...)
	cmd.Stdin = input
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, lastLines(string(out), 5))
	}
	return string(out), nil
}
