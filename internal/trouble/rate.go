package trouble

import (
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// logEvery is how often a line about one kind of event is logged: callers cause these
// events, so their number says nothing about how many lines somebody can read.
const logEvery = 10 * time.Second

// Rate lets one event of each kind through in logEvery, and counts the others. It is
// safe for concurrent use.
type Rate struct {
	clock clock.PassiveClock

	mu    sync.Mutex
	kinds map[string]*kind
}

type kind struct {
	last    time.Time
	skipped int
}

// NewRate returns a Rate that has seen nothing.
func NewRate(c clock.PassiveClock) *Rate { return &Rate{clock: c, kinds: map[string]*kind{}} }

// Due reports whether an event is to be logged, and how many of its kind were not
// logged before it. Kinds are few: callers do not choose them.
func (r *Rate) Due(name string) (due bool, skipped int) {
	now := r.clock.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.kinds[name]
	switch {
	case k == nil:
		r.kinds[name] = &kind{last: now}
		return true, 0
	case now.Sub(k.last) < logEvery:
		k.skipped++
		return false, 0
	}
	skipped = k.skipped
	k.last, k.skipped = now, 0
	return true, skipped
}
