package reload

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestHowLongALoopWaitsForMoreChanges(t *testing.T) {
	for name, tc := range map[string]struct{ option, wait time.Duration }{
		"by default": {0, 100 * time.Millisecond},
		"as told":    {5 * time.Second, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &source{text: "a"}
				l := New(Options[string]{Name: "text", Load: s.load, Debounce: tc.option})
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- l.Run(ctx) }()
				l.Poke()
				time.Sleep(tc.wait - time.Nanosecond) // of the bubble: it takes no time
				synctest.Wait()
				if n := s.loaded(); n != 0 {
					t.Errorf("loaded %d times before %s", n, tc.wait)
				}
				time.Sleep(time.Nanosecond)
				synctest.Wait()
				if n := s.loaded(); n != 1 {
					t.Errorf("loaded %d times after %s", n, tc.wait)
				}
				cancel()
				if err := <-done; err != nil {
					t.Errorf("Run: %v", err)
				}
			})
		})
	}
}

func TestFilesAreWatchedWithoutAPollInterval(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "a")
	changed := watch(t, 0, file)
	write(t, file, "b")
	expect(t, changed, "a change")
}

// lockedLog is a log that is written and read at the same time.
type lockedLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// The directory is looked for again at every poll: said once is enough.
func TestADirectoryThatIsNotWatchedIsSaidOnce(t *testing.T) {
	there, missing := t.TempDir(), filepath.Join(t.TempDir(), "missing")
	var log lockedLog
	ctx, cancel := context.WithCancel(t.Context())
	calls := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- WatchFiles(ctx, []string{filepath.Join(there, "a"), filepath.Join(missing, "b")}, time.Millisecond,
			slog.New(slog.NewTextHandler(&log, nil)), func() {
				select {
				case calls <- struct{}{}:
				case <-ctx.Done():
				}
			})
	}()
	for range 3 {
		expect(t, calls, "a poll")
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("WatchFiles: %v", err)
	}
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "directory not watched") || !strings.Contains(got, missing) {
		t.Errorf("want one line about %s, got\n%s", missing, got)
	}
}
