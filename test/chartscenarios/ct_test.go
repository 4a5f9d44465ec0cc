//go:build e2e

package chartscenarios

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/lab"
)

// TestChartTesting runs ct install, as users' CI does: for each ci values file an
// installation and a helm test, under a random name in a random namespace.
func TestChartTesting(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(cluster.Root, "bin", "chart-tools", "ct"), "install",
		"--config", "ct.yaml", "--charts", "charts/istio-sidecar-injector",
		"--helm-extra-args", "--timeout 120s",
		// ct looks once whether all replicas are available. An autoscaler that wants
		// more than one asks for it some seconds after the installation, and then one
		// is just starting.
		"--helm-extra-set-args", "--set=image.hub="+hub+" --set=image.tag="+tag+" --set=autoscaling.minReplicas=1")
	cmd.Dir = cluster.Root
	cmd.Env = append(os.Environ(), "KUBECONFIG="+cluster.Kubeconfig, "PATH="+toolPath(t))
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Minute
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	said := out.String()

	charts := strings.Count(said, "\n ✔")
	tried := strings.Count(said, "Installing chart with values file")
	failed := strings.Count(said, "\n ✖")
	want := len(valuesFiles(t))
	if err != nil || failed != 0 || charts != 1 || tried != want {
		t.Errorf("ct install: %v; charts %d, values files tried %d of %d:\n%s", err, charts, tried, want, said)
		failed = max(failed, 1)
	}
	lab.Figure(t, fmt.Sprintf("ct: charts %d, values files %d, failed %d", charts, tried, failed))
}

// toolPath is a PATH on which ct finds our helm, and a kubectl.
func toolPath(t *testing.T) string {
	t.Helper()
	path := filepath.Join(cluster.Root, "bin") + string(os.PathListSeparator) + os.Getenv("PATH")
	if os.Getenv(lab.KubeconfigEnv) != "" {
		return path
	}
	dir := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\nexec %q kubectl --name %s -- \"$@\"\n", filepath.Join(cluster.Root, "scripts", "cluster", "embedded-cluster"), clusterName)
	if err := os.WriteFile(filepath.Join(dir, "kubectl"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir + string(os.PathListSeparator) + path
}
