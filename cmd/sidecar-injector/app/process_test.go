package app

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// build makes the program as users run it.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "sidecar-injector")
	if out, err := exec.Command("go", "build", "-ldflags=-X main.version=v7.7.7", "-o", program, "..").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

// spawn starts the program as a process and waits until it is ready.
func spawn(t *testing.T, program string, s *site, more ...string) (*injector, *exec.Cmd, <-chan error) {
	t.Helper()
	i := &injector{t: t, site: s, log: &output{}}
	cmd := exec.Command(program, s.args(more...)...)
	cmd.Stdout, cmd.Stderr = i.log, i.log
	begin := time.Now()
	must(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		if t.Failed() {
			t.Logf("log of the process:\n%s", i.log)
		}
	})
	eventually(t, "both ports in the log", func() bool {
		i.webhook, i.monitoring = i.listens("webhook"), i.listens("monitoring")
		return i.webhook != "" && i.monitoring != ""
	})
	i.waitReady()
	t.Logf("ready %s after the start", time.Since(begin).Round(time.Millisecond))
	return i, cmd, ended
}

// TestProcess runs the real program and stops it as kubelet does.
func TestProcess(t *testing.T) {
	program := build(t)

	t.Run("exit status", func(t *testing.T) {
		for _, tt := range []struct {
			args   []string
			status int
			says   string
		}{
			{[]string{"version"}, 0, "sidecar-injector v7.7.7 ("},
			{[]string{"--tlsCertFile=/nowhere", "--reconcileWebhookConfig=false"}, 1, "certificate: open /nowhere: no such file or directory"},
			{[]string{"--frob"}, 2, "unknown flag: --frob"},
		} {
			cmd := exec.Command(program, tt.args...)
			out, err := cmd.CombinedOutput()
			if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			if got := cmd.ProcessState.ExitCode(); got != tt.status || !strings.Contains(string(out), tt.says) {
				t.Errorf("%q: exit status %d, want %d: %s", tt.args, got, tt.status, out)
			}
		}
	})

	t.Run("SIGTERM", func(t *testing.T) {
		i, cmd, ended := spawn(t, program, newSite(t), "--shutdownDelay=200ms")
		if got := i.mark(); got != "one" {
			t.Errorf("marked %q", got)
		}
		must(t, cmd.Process.Signal(syscall.SIGTERM))
		eventually(t, "not ready while it drains", func() bool {
			_, body := i.get("/readyz")
			return strings.Contains(body, "[-] draining")
		})
		if got := i.mark(); got != "one" {
			t.Errorf("marked %q while it drained", got)
		}
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("exit: %v", err)
			}
		case <-time.After(patience):
			t.Error("it did not end")
		}
	})

	t.Run("SIGTERM twice", func(t *testing.T) {
		i, cmd, ended := spawn(t, program, newSite(t), "--shutdownDelay=1h")
		must(t, cmd.Process.Signal(syscall.SIGTERM))
		eventually(t, "the drain in the log", func() bool { return strings.Contains(i.log.String(), "webhook drains") })
		eventually(t, "the end by the second signal", func() bool {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			select {
			case <-ended:
				return true
			default:
				return false
			}
		})
		if status := cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGTERM {
			t.Errorf("ended with %v, want by the signal", status)
		}
	})
}
