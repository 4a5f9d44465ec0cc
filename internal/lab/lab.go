// Package lab drives a cluster the way its users do, the chart through Helm and
// objects through the API, for the demo and for the end-to-end tests.
package lab

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Lab is one cluster and the checkout that is tried on it.
type Lab struct {
	Root       string // the repository's root: bin/ and charts/ are below it
	Kubeconfig string
	Config     *rest.Config
	Client     kubernetes.Interface
}

// Connect reads the kubeconfig and makes a client. It does not talk to the
// cluster yet.
func Connect(root, kubeconfig string) (*Lab, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", kubeconfig, err)
	}
	// The load generators are what is to be slow, not the client's own limiter.
	config.QPS, config.Burst = -1, -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", kubeconfig, err)
	}
	return &Lab{Root: root, Kubeconfig: kubeconfig, Config: config, Client: client}, nil
}

// Chart is the path of the chart.
func (l *Lab) Chart() string {
	return filepath.Join(l.Root, "charts", "istio-sidecar-injector")
}

// Helm runs the pinned helm of this checkout and returns what it printed. The
// error of a failed run carries its last lines.
func (l *Lab) Helm(ctx context.Context, args ...string) (string, error) {
	return l.helm(ctx, "helm", args)
}

func (l *Lab) helm(ctx context.Context, program string, args []string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(l.Root, "bin", program), append([]string{"--kubeconfig", l.Kubeconfig}, args...)...)
	cmd.Dir = l.Root
	// On a cancelled context, a polite end first: helm then says in its release
	// record that the operation failed.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s %s: %w: %s", program, args[0], err, lastLines(stderr.String(), 5))
	}
	return stdout.String(), nil
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return strings.Join(lines, "; ")
}
