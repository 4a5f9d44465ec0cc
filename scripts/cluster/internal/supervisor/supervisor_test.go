package supervisor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/state"
)

// run starts a supervisor of components that are shell scripts, each writing
// to the file out in dir, and returns what ends its leash and awaits its end.
func run(t *testing.T, scripts map[string]string, stages map[string]int) (dir string, leash *os.File, done chan error) {
	t.Helper()
	dir = t.TempDir()
	var components []Component
	for name, script := range scripts {
		components = append(components, Component{
			Name: name, Path: "/bin/sh", Args: []string{"sh", "-c", script}, Env: []string{"PATH=/usr/bin:/bin", "OUT=" + filepath.Join(dir, "out")},
			Log: filepath.Join(dir, name+".log"), Stop: stages[name], Patience: 5 * time.Second,
		})
	}
	if err := os.WriteFile(state.File(dir), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	done = make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	s := New(components, -1, time.Now)
	go func() {
		defer close(ended)
		done <- s.Run(ctx, Config{Dir: dir}, read)
	}()
	// A supervisor reaps all children of this process, those of the next
	// test's supervisor too, so it must have ended by then.
	t.Cleanup(func() {
		cancel()
		<-ended
		write.Close()
	})
	until(t, "control socket", func() bool {
		_, err := Call(dir, Request{Op: OpStatus}, time.Second)
		return err == nil
	})
	return dir, write, done
}

func until(t *testing.T, what string, check func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !check(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no %s", what)
		}
	}
}

func call(t *testing.T, dir, op, component string) {
	t.Helper()
	if _, err := Call(dir, Request{Op: op, Component: component}, 10*time.Second); err != nil {
		t.Fatalf("%s %s: %v", op, component, err)
	}
}

func status(t *testing.T, dir, component string) Status {
	t.Helper()
	answer, err := Call(dir, Request{Op: OpStatus}, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range answer.Components {
		if s.Name == component {
			return s
		}
	}
	t.Fatalf("no component %q in %+v", component, answer)
	return Status{}
}

// stays runs until it is told to stop, says that it was, and so can be told
// apart from what was killed.
func stays(name string) string {
	return fmt.Sprintf(`trap 'echo %s >> $OUT; exit 0' TERM; echo ready; while :; do sleep 0.01; done`, name)
}

func awaitReady(t *testing.T, dir, name string) {
	t.Helper()
	until(t, "ready line of "+name, func() bool {
		log, _ := os.ReadFile(filepath.Join(dir, name+".log"))
		return strings.Contains(string(log), "ready")
	})
}

func TestComponentsStopInStages(t *testing.T) {
	dir, _, done := run(t, map[string]string{"store": stays("store"), "server": stays("server"), "client": stays("client")},
		map[string]int{"client": 0, "server": 1, "store": 2})
	for _, name := range []string{"store", "server", "client"} {
		call(t, dir, OpStart, name)
		awaitReady(t, dir, name)
	}
	call(t, dir, OpShutdown, "")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	out, err := os.ReadFile(filepath.Join(dir, "out"))
	if want := "client\nserver\nstore\n"; err != nil || string(out) != want {
		t.Errorf("they stopped in the order %q (%v), want %q", out, err, want)
	}
}

func TestStatus(t *testing.T) {
	dir, _, _ := run(t, map[string]string{"stays": stays("stays"), "fails": "exit 7", "never": "exit 0"}, nil)
	call(t, dir, OpStart, "stays")
	call(t, dir, OpStart, "fails")
	awaitReady(t, dir, "stays")
	until(t, "end of the one that fails", func() bool { return status(t, dir, "fails").State == StateExited })
	if got := status(t, dir, "fails").Exit; got != "exit status 7" {
		t.Errorf("it ended with %q, want exit status 7", got)
	}
	if got := status(t, dir, "never").State; got != StateNew {
		t.Errorf("what was never started is %q", got)
	}
	s := status(t, dir, "stays")
	if s.State != StateRunning || s.PID == 0 {
		t.Errorf("what runs is %+v", s)
	}
	syscall.Kill(s.PID, syscall.SIGKILL)
	until(t, "end of the one that was killed", func() bool { return status(t, dir, "stays").State == StateExited })
	if got := status(t, dir, "stays").Exit; got != "ended by signal 9 (killed)" {
		t.Errorf("it ended with %q, want signal 9", got)
	}
}

func TestStopAndStartAgain(t *testing.T) {
	dir, _, _ := run(t, map[string]string{"c": stays("c")}, nil)
	call(t, dir, OpStart, "c")
	first := status(t, dir, "c").PID
	awaitReady(t, dir, "c")
	call(t, dir, OpStart, "c") // runs already
	if got := status(t, dir, "c").PID; got != first {
		t.Errorf("starting what runs made process %d of %d", got, first)
	}
	call(t, dir, OpStop, "c")
	if got := status(t, dir, "c"); got.State != StateStopped || got.Exit != "exit status 0" {
		t.Errorf("after stop it is %+v", got)
	}
	call(t, dir, OpStop, "c") // stopped already
	call(t, dir, OpStart, "c")
	call(t, dir, OpKill, "c")
	if got := status(t, dir, "c"); got.State != StateStopped || !strings.Contains(got.Exit, "signal 9") {
		t.Errorf("after kill it is %+v", got)
	}
}

func TestUnknownRequests(t *testing.T) {
	dir, _, _ := run(t, map[string]string{"c": "exit 0"}, nil)
	for _, test := range []struct {
		request Request
		want    string
	}{
		{Request{Op: OpStart, Component: "d"}, `unknown component "d", must be one of ["c"]`},
		{Request{Op: "dance"}, `unknown operation "dance"`},
	} {
		if _, err := Call(dir, test.request, time.Second); err == nil || err.Error() != test.want {
			t.Errorf("error is %v, want %q", err, test.want)
		}
	}
}

func TestEndsWithTheLauncher(t *testing.T) {
	_, leash, done := run(t, nil, nil)
	leash.Close()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Error("the supervisor runs on after the launcher ended")
	}
}

func TestOutlivesTheLauncherThatSaidSo(t *testing.T) {
	dir, leash, done := run(t, nil, nil)
	call(t, dir, OpKeep, "")
	leash.Close()
	select {
	case <-done:
		t.Error("the supervisor ended with the launcher")
	case <-time.After(50 * time.Millisecond):
	}
	call(t, dir, OpShutdown, "")
	<-done
}

func TestProgramThatIsNotThere(t *testing.T) {
	s := New([]Component{{Name: "c", Path: "/no/such/program", Log: filepath.Join(t.TempDir(), "log")}}, -1, time.Now)
	if err := s.Start("c"); err == nil || !strings.Contains(err.Error(), "cannot start c (/no/such/program)") {
		t.Errorf("error is %v, want one that names the program", err)
	}
}

func TestEndsWithoutItsStateFile(t *testing.T) {
	dir, _, done := run(t, nil, nil)
	if err := os.Remove(state.File(dir)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-done:
	case <-time.After(5 * folderInterval):
		t.Error("the supervisor runs on without a state file")
	}
}
