package process

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/engine"
)

// The test binary plays the server.
const roleEnv = "PROCESS_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleEnv) {
	case "webhook":
		os.Stderr.WriteString("not JSON\n" + `{"msg":"webhook listens","address":"[::]:4711"}` + "\n")
		time.Sleep(time.Minute) // until it is told to end
	case "silent":
		time.Sleep(time.Minute)
	case "fails":
		os.Stderr.WriteString(`{"msg":"the certificate is missing"}` + "\n")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func TestCommandFindsThePortAndMeasures(t *testing.T) {
	t.Setenv(roleEnv, "webhook")
	s, err := Command(t.Context(), os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if s.Webhook != "4711" {
		t.Errorf("port %q, want 4711", s.Webhook)
	}
	if runtime.GOOS == "linux" {
		now, err := s.Usage().Resident()
		if err != nil {
			t.Fatal(err)
		}
		peak, err := s.Usage().Peak()
		if err != nil || now < 1 || peak < now {
			t.Errorf("resident %.1f MiB, peak %.1f MiB (%v)", now, peak, err)
		}
		if _, err := s.Usage().CPU(); err != nil {
			t.Error(err)
		}
	}
	// It knows nothing of a clean end, and Stop says so.
	if err := s.Stop(); err == nil || !strings.Contains(err.Error(), "ended badly") {
		t.Errorf("a process killed by a signal ended with %v", err)
	}
}

func TestCommandSaysWhyNothingStarted(t *testing.T) {
	t.Setenv(roleEnv, "fails")
	if _, err := Command(t.Context(), os.Args[0]); err == nil || !strings.Contains(err.Error(), "the certificate is missing") {
		t.Errorf("the error is %v, want the program's last words in it", err)
	}
	if _, err := Command(t.Context(), "/no/such/program"); err == nil || !strings.Contains(err.Error(), "/no/such/program") {
		t.Errorf("the error is %v, want the program's name in it", err)
	}
}

func TestCommandEndsWithItsContext(t *testing.T) {
	t.Setenv(roleEnv, "silent")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Command(ctx, os.Args[0]); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for a port that never comes ended with %v", err)
	}
}

func TestUsageCountsProcessorTime(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	u := Usage{os.Getpid()}
	before, err := u.CPU()
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for n := 0; time.Now().Before(deadline); n++ {
		if after, err := u.CPU(); err != nil || after > before {
			return
		}
	}
	t.Error("ten seconds of work cost no processor time")
}

func TestPrepareWritesWhatTheServerReads(t *testing.T) {
	setups, err := engine.Setups("../../..", "")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	f, err := Prepare(folder, setups[0], time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"config", "values", "mesh", "cert-chain.pem", "key.pem", "root-cert.pem"} {
		info, err := os.Stat(f.path(name))
		if err != nil || info.Size() == 0 || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}
