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

// DefaultRepeat is how long a lasting trouble stays silent before it is said
// again: often enough to be seen in the last page of a log.
const DefaultRepeat = 10 * time.Minute

// Log remembers which troubles are open. It is safe for concurrent use.
type Log struct {
	log    *slog.Logger
	clock  clock.PassiveClock
	repeat time.Duration

	mu   sync.Mutex
	open map[string]time.Time
}

// New returns a Log that repeats a lasting trouble after DefaultRepeat.
func New(log *slog.Logger, c clock.PassiveClock) *Log {
	return &Log{log: log, clock: c, repeat: DefaultRepeat, open: map[string]time.Time{}}
}

// Report logs the sentence as a warning, unless the trouble named by key was
// logged within the repeat time and has not been cleared since.
func (l *Log) Report(key, sentence string) {
	now := l.clock.Now()
	l.mu.Lock()
	last, open := l.open[key]
	due := !open || now.Sub(last) >= l.repeat
	if due {
		l.open[key] = now
	}
	l.mu.Unlock()
	if due {
		l.log.Warn(sentence, "trouble", key)
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
