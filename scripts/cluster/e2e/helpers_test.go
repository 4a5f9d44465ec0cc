//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/image"
)

// commandTimeout bounds every command of the launcher. The first one may have
// to build all the parts.
const commandTimeout = 30 * time.Minute

const workloadImage = "example.test/workload:1"

// cluster is one cluster of the test, and the launcher to handle it with.
type cluster struct {
	t        *testing.T
	name     string
	launcher string
}

// report is what the test reads of status -o json.
type report struct {
	Dir         string
	Kubeconfig  string
	Server      string
	HostAddress string
	NodeAddress string
	Up          bool
	Plan        struct{ Device string }
	Supervisor  struct{ PID int }
	Traces      struct {
		Cgroup      string
		Hierarchies []struct{ Mount string }
	}
	Components []struct {
		Name, State, Health string
		HostPID             int
	}
}

// newCluster prepares a cluster that is taken down at the end of the test,
// whatever happens.
func newCluster(t *testing.T, name string) *cluster {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	c := &cluster{t: t, name: name, launcher: filepath.Join(t.TempDir(), "embedded-cluster")}
	goBuild(t, c.launcher, "./cmd/embedded-cluster")
	c.run("down")
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := c.try("status")
			t.Logf("status:\n%s", out)
		}
		c.run("down")
	})
	return c
}

func goBuild(t *testing.T, out, pkg string) {
	t.Helper()
	cmd := exec.Command("go", "build", "-o", out, pkg)
	cmd.Dir = module(t)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", pkg, err, output)
	}
}

// module is the folder scripts/cluster.
func module(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func (c *cluster) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.launcher, append([]string{"--name", c.name, "--sources", module(c.t)}, args...)...)
	cmd.Dir = "/"
	return cmd
}

// try runs a command of the launcher and returns all its output.
func (c *cluster) try(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
	defer cancel()
	out, err := c.command(ctx, args...).CombinedOutput()
	return string(out), err
}

// run is try for commands that must succeed.
func (c *cluster) run(args ...string) string {
	c.t.Helper()
	begin := time.Now()
	out, err := c.try(args...)
	if err != nil {
		c.t.Fatalf("%v: %v\n%s", args, err, out)
	}
	if args[0] != "kubectl" && args[0] != "status" {
		c.t.Logf("%v took %.1fs:\n%s", args, time.Since(begin).Seconds(), out)
	}
	return out
}

func (c *cluster) kubectl(args ...string) string {
	c.t.Helper()
	return c.run(append([]string{"kubectl"}, args...)...)
}

// apply applies YAML or JSON, and returns what kubectl said.
func (c *cluster) apply(manifest string) (string, error) {
	cmd := c.command(context.Background(), "kubectl", "apply", "-f", "-")
	cmd.Stdin = strings.NewReader(manifest)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (c *cluster) mustApply(manifest string) {
	c.t.Helper()
	if out, err := c.apply(manifest); err != nil {
		c.t.Fatalf("kubectl apply: %v\n%s", err, out)
	}
}

// eventually repeats check, since what admission does follows what is applied
// only after a moment.
func eventually(t *testing.T, what string, timeout time.Duration, check func() error) {
	t.Helper()
	deadline := time.Now().Add(timeout)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (c *cluster) status() report {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, _ := c.command(ctx, "status", "-o", "json").Output()
	var r report
	if err := json.Unmarshal(out, &r); err != nil {
		c.t.Fatalf("status -o json: %v\n%s", err, out)
	}
	return r
}

// leaves fails the test if anything of the cluster that r describes is left.
func leaves(t *testing.T, r report) {
	t.Helper()
	check := func() error {
		for _, p := range append([]int{r.Supervisor.PID}, pids(r)...) {
			if line := running(p); line != "" {
				return fmt.Errorf("process %d is left: %s", p, line)
			}
		}
		if _, err := net.InterfaceByName(r.Plan.Device); err == nil && r.Plan.Device != "" {
			return fmt.Errorf("device %s is left", r.Plan.Device)
		}
		for _, h := range r.Traces.Hierarchies {
			if _, err := os.Stat(filepath.Join(h.Mount, r.Traces.Cgroup)); err == nil {
				return fmt.Errorf("cgroup %s is left in %s", r.Traces.Cgroup, h.Mount)
			}
		}
		mounts, err := os.ReadFile("/proc/self/mountinfo")
		if err != nil {
			return err
		}
		if strings.Contains(string(mounts), " "+r.Dir+"/") {
			return fmt.Errorf("a mount below %s is left", r.Dir)
		}
		if _, err := os.Stat(r.Dir); err == nil {
			return fmt.Errorf("folder %s is left", r.Dir)
		}
		return nil
	}
	eventually(t, "down", time.Second, check)
}

// running returns the line of /proc/PID/stat of a process that runs: one that
// ended may be shown for as long as its parent, on some machines a careless
// process 1, has not asked for its exit status.
func running(pid int) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil || strings.Contains(string(data), ") Z ") {
		return ""
	}
	return string(data)
}

func pids(r report) []int {
	var all []int
	for _, c := range r.Components {
		all = append(all, c.HostPID)
	}
	return all
}

// workload builds the test's program and returns an image archive of it.
func workload(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	goBuild(t, filepath.Join(dir, "workload"), "./e2e/workload")
	program, err := os.ReadFile(filepath.Join(dir, "workload"))
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	if err := image.Write(&archive, workloadImage, "workload", runtime.GOARCH, program); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "workload.tar")
	if err := os.WriteFile(path, archive.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func encode(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(data)
}
