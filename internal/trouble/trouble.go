// Package trouble logs a trouble once while it lasts instead of at every retry,
// and says when it is over.
package trouble

import (
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// repeatAfter is how long a lasting trouble stays silent before it is logged
// again: often enough to be seen in the last page of a log.
const repeatAfter = 10 * time.Minute

// Trouble is something that is wrong now.
type Trouble struct {
	// Key names the trouble in logs and metrics.
	Key string
	// Message says what is wrong and what to do.
	Message string
}

// Log remembers which troubles are open. It is safe for concurrent use.
type Log struct {
	log   *slog.Logger
	clock clock.PassiveClock

	mu   sync.Mutex
	open map[string]time.Time // key: of the trouble; when it was logged last
}

// New returns a Log without an open trouble.
func New(log *slog.Logger, c clock.PassiveClock) *Log {
	return &Log{log: log, clock: c, open: map[string]time.Time{}}
}

// Set takes all that is wrong now: it logs each new trouble as a warning, repeats
// one that lasts, and logs the end of each open trouble that is not among them.
// Of two troubles with one key the first counts.
func (l *Log) Set(now []Trouble) {
	keys := make(map[string]bool, len(now))
	for _, t := range now {
		if !keys[t.Key] {
			keys[t.Key] = true
			l.Report(t.Key, t.Message)
		}
	}
	for _, key := range l.Open() {
		if !keys[key] {
			l.Clear(key)
		}
	}
}

// Report logs the message as a warning, unless the trouble named by key was
// logged a short time ago and has not been cleared since.
func (l *Log) Report(key, message string) {
	now := l.clock.Now()
	l.mu.Lock()
	last, open := l.open[key]
	due := !open || now.Sub(last) >= repeatAfter
	if due {
		l.open[key] = now
	}
	l.mu.Unlock()
	if due {
		l.log.Warn(message, "trouble", key)
	}
}

// Open names the troubles that were reported and not cleared since, in order.
func (l *Log) Open() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.open))
}

// Clear logs that the trouble named by key is over, if it was open.
func (l *Log) Clear(key string) {
	l.mu.Lock()
	_, open := l.open[key]
	delete(l.open, key)
	l.mu.Unlock()
	if open {
		l.log.Info("trouble is over", "trouble", key)
	}
}
