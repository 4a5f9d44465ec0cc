package health

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var discard = slog.New(slog.DiscardHandler)

func TestSet(t *testing.T) {
	trouble := errors.New("first\nsecond")
	var failing error
	var log strings.Builder
	s := NewSet("ready", time.Second, slog.New(slog.NewTextHandler(&log, nil)),
		Check{Name: "configuration", Run: func(context.Context) (string, error) { return "hash abc", nil }},
		CheckFunc("tls", func(context.Context) error { return failing }),
	)
	get := func() *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		return w
	}
	good := "[+] configuration: hash abc\n[+] tls: ok\nready\n"
	bad := "[+] configuration: hash abc\n[-] tls: first; second\nnot ready\n"
	for i, want := range []struct {
		err    error
		status int
		body   string
	}{{nil, 200, good}, {nil, 200, good}, {trouble, 503, bad}, {trouble, 503, bad}, {nil, 200, good}} {
		failing = want.err
		if got := s.Outcomes(t.Context()); len(got) != 2 || !got["configuration"] || got["tls"] != (want.err == nil) {
			t.Errorf("%d: outcomes %v", i, got)
		}
		if w := get(); w.Code != want.status || w.Body.String() != want.body {
			t.Errorf("%d: got %d %q, want %d %q", i, w.Code, w.Body, want.status, want.body)
		}
	}
	if got := strings.Count(log.String(), "\n"); got != 3 {
		t.Errorf("%d log lines, want one for each of the 3 changes:\n%s", got, &log)
	}
	if !strings.Contains(log.String(), "not ready") || !strings.Contains(log.String(), "tls: first") {
		t.Errorf("the log does not say why:\n%s", &log)
	}
}

func TestSetDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		never := make(chan struct{})
		defer close(never)
		s := NewSet("ready", time.Second, discard,
			Check{Name: "good", Run: func(context.Context) (string, error) { return "", nil }},
			Check{Name: "stuck", Run: func(context.Context) (string, error) { <-never; return "", nil }})
		start := time.Now()
		report, err := s.Run(t.Context())
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %s, want the second that checks have", took)
		}
		if err == nil || !strings.Contains(report, "[-] stuck: no answer in time") || !strings.Contains(report, "[+] good: ok") {
			t.Errorf("got %v\n%s", err, report)
		}
	})
}

func TestChecksRunAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(context.Context) error { time.Sleep(900 * time.Millisecond); return nil }
		s := NewSet("ready", time.Second, discard, CheckFunc("a", slow), CheckFunc("b", slow), CheckFunc("c", slow))
		if _, err := s.Run(t.Context()); err != nil {
			t.Errorf("three checks of 0.9 s within one second: %v", err)
		}
	})
}

func TestTouchFileAndProbe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "health")
	now := time.Now()
	if err := Probe(file, time.Second, now); err == nil || !strings.Contains(err.Error(), "has not answered its own health check yet") {
		t.Errorf("before the first touch: %v", err)
	}

	var mu sync.Mutex
	outcome := error(nil)
	calls := make(chan struct{}, 100)
	check := func(context.Context) error {
		mu.Lock()
		defer mu.Unlock()
		calls <- struct{}{}
		return outcome
	}
	set := func(err error) { mu.Lock(); defer mu.Unlock(); outcome = err }
	var log safeBuffer
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- TouchFile(ctx, file, time.Millisecond, check, slog.New(slog.NewTextHandler(&log, nil)))
	}()
	eventually(t, "a touched file", func() bool { return Probe(file, time.Minute, time.Now()) == nil })
	age := func() time.Duration {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		return time.Since(info.ModTime())
	}

	// Trouble is told once, and nothing is touched meanwhile.
	set(errors.New("certificate expired"))
	eventually(t, "trouble in the log", func() bool { return strings.Contains(log.String(), "certificate expired") })
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(file, old, old); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		<-calls
	}
	if age() < 59*time.Minute {
		t.Error("touched in spite of the trouble")
	}
	if n := strings.Count(log.String(), "not touched"); n != 1 {
		t.Errorf("told %d times", n)
	}
	err := Probe(file, time.Second, time.Now())
	if err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "more than the interval 1s") {
		t.Errorf("Probe: %v", err)
	}

	set(nil)
	eventually(t, "a touched file again", func() bool { return age() < time.Minute })
	eventually(t, "the end of the trouble in the log", func() bool { return strings.Contains(log.String(), "touched again") })

	// A pause is no trouble.
	before := log.String()
	set(ErrPaused)
	for len(calls) > 0 {
		<-calls
	}
	for range 10 {
		<-calls
	}
	if log.String() != before {
		t.Errorf("a pause was told: %s", &log)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("TouchFile: %v", err)
	}
}

func TestTouchFileSaysWhatToDo(t *testing.T) {
	err := touch(filepath.Join(t.TempDir(), "missing", "health"), time.Now())
	if err == nil || !strings.Contains(err.Error(), "--healthCheckFile") {
		t.Errorf("got %v", err)
	}
}

func TestProbeAtTheEdge(t *testing.T) {
	file := filepath.Join(t.TempDir(), "health")
	at := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	if err := touch(file, at); err != nil {
		t.Fatal(err)
	}
	if err := Probe(file, 4*time.Second, at.Add(4*time.Second)); err != nil {
		t.Errorf("exactly the interval: %v", err)
	}
	if err := Probe(file, 4*time.Second, at.Add(4*time.Second+time.Millisecond)); err == nil {
		t.Error("a millisecond more than the interval is too old")
	}
}

type safeBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !cond(); {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(time.Millisecond) // between looks, not instead of them
	}
}
