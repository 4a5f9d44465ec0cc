package lifecycle

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/plan"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/state"
)

func TestAwait(t *testing.T) {
	nobodyDied := func() error { return nil }
	failure, death := errors.New("not yet"), errors.New("dead")
	fails := func() error { return failure }

	tries := 0
	if err := await(t.Context(), "it", time.Minute, nobodyDied, func() error {
		if tries++; tries < 3 {
			return failure
		}
		return nil
	}); err != nil || tries != 3 {
		t.Errorf("await: %v after %d tries, want success at the third", err, tries)
	}
	if err := await(t.Context(), "it", time.Millisecond, nobodyDied, fails); !errors.Is(err, failure) || !strings.Contains(err.Error(), "it not ready after 1ms") {
		t.Errorf("late: %v, want what the last try said", err)
	}
	if err := await(t.Context(), "it", time.Minute, func() error { return death }, fails); !errors.Is(err, death) {
		t.Errorf("dead: %v, want %v", err, death)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := await(ctx, "it", time.Minute, nobodyDied, fails); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v, want the context's error", err)
	}
}

func TestSlotWithATakenPortIsNotFree(t *testing.T) {
	p := plan.ControlPlaneOnly(plan.Slots - 1)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p.Ports.EtcdPeer = l.Addr().(*net.TCPAddr).Port
	if err := free(p, nil, true); err == nil || !strings.Contains(err.Error(), "for etcd (peers) is taken") {
		t.Errorf("error is %v, want that the port for etcd is taken", err)
	}
	if err := free(p, nil, false); err != nil {
		t.Errorf("in a network of its own: %v, want no error", err)
	}
}

func TestNamespaceErrorsSayWhatToDo(t *testing.T) {
	for errno, want := range map[syscall.Errno]string{
		syscall.EPERM: "CAP_SYS_ADMIN", syscall.EINVAL: "must have process, mount, network", syscall.ENOSPC: "/proc/sys/user", syscall.ENOMEM: "cannot start",
	} {
		if err := namespaceError(errno); !strings.Contains(err.Error(), want) || !errors.Is(err, errno) {
			t.Errorf("%v becomes %q, want %q in it", errno, err, want)
		}
	}
}

func TestNumbers(t *testing.T) {
	outer, inner, ok := numbers("Name:\tetcd\nNSpid:\t4242\t17\nThreads:\t9\n")
	if outer != 4242 || inner != 17 || !ok {
		t.Errorf("numbers are %d, %d, %v, want 4242 and 17", outer, inner, ok)
	}
	if _, _, ok := numbers("NSpid:\t4242\n"); ok {
		t.Error("a process in no other namespace has two numbers")
	}
}

func TestLogTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	if got := logTail(path); got != "" {
		t.Errorf("without a log: %q, want nothing", got)
	}
	if err := os.WriteFile(path, []byte(strings.Repeat("old\n", 20)+"the end\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := logTail(path)
	if !strings.Contains(got, path) || !strings.HasSuffix(got, "the end") || strings.Count(got, "\n") != 8 {
		t.Errorf("tail is %q, want the path and 8 lines", got)
	}
}

// A cluster whose machine was restarted, or whose supervisor died, is only a
// folder.
func TestDownOfWhatIsLeft(t *testing.T) {
	var said []string
	o := Options{Name: "demo", StateDir: t.TempDir(), Say: func(format string, _ ...any) { said = append(said, format) }}
	s := state.State{
		Name: "demo", Dir: o.Dir(), Plan: plan.Plan{Device: "no-such-dev"},
		Supervisor: state.Process{PID: os.Getpid(), Start: 1, BootID: "another boot"},
	}
	if err := os.MkdirAll(filepath.Join(s.Dir, "etcd"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := s.Save(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := Down(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(s.Dir); err == nil {
		t.Error("the folder is still there")
	}
	if len(said) != 2 || !strings.Contains(said[0], "is down") || !strings.Contains(said[1], "is not up") {
		t.Errorf("down said %q", said)
	}
}

func TestFailedStartKeepsLogs(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"logs", "etcd"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := clean(dir, true); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "logs" {
		t.Errorf("left are %v (%v), want the logs", entries, err)
	}
}

func TestSupervises(t *testing.T) {
	line := []byte("embedded-cluster\x00supervise-cluster\x00/state/demo/config/supervisor.json\x00")
	if !supervises(line, "/state/demo") {
		t.Error("the supervisor of the cluster is not recognised")
	}
	for _, other := range []string{"/state/demo2", "/other/demo"} {
		if supervises(line, other) {
			t.Errorf("the supervisor counts as that of %s", other)
		}
	}
	if supervises([]byte("vi\x00/state/demo/config/supervisor.json\x00"), "/state/demo") {
		t.Error("an editor counts as a supervisor")
	}
}

func TestGroupOf(t *testing.T) {
	for groups, want := range map[string]string{
		"9:memory:/embk8s-0-7\n8:cpu:/embk8s-0-7\n": "embk8s-0-7",
		"0::/embk8s-3-9/system\n":                   "embk8s-3-9",
		"0::/user.slice\n":                          "",
	} {
		if got := groupOf(groups); got != want {
			t.Errorf("group of %q is %q, want %q", groups, got, want)
		}
	}
}
