// Package reload keeps a value in step with where it comes from: it loads on
// demand, compares by content, and keeps the last good value when a new one is
// bad. It knows neither configuration nor certificates; both use it, apart from
// each other, so that a broken one never holds up the other.
package reload

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultDebounce is how long a Loop waits for more changes before it loads. A
// ConfigMap volume changes in one rename but two volumes change one after the
// other, and an editor writes a file in several steps.
const DefaultDebounce = 100 * time.Millisecond

// Recorder counts what a Loop does. Calls come from one goroutine at a time.
type Recorder interface {
	// Reloaded says that the value with this hash is in force from now on.
	Reloaded(hash string, at time.Time)
	// ReloadFailed says that a new value was refused. It is called once for
	// each different reason, not once for each attempt.
	ReloadFailed(at time.Time)
}

// Version is a loaded value together with what identifies it.
type Version[T any] struct {
	Value T
	// Hash identifies the content that Value was made of.
	Hash string
	// LoadedAt is when Value came into force.
	LoadedAt time.Time
}

// State says how a Loop is doing.
type State struct {
	// Hash and LoadedAt are those of the value in force; empty before the first.
	Hash     string
	LoadedAt time.Time
	// Err is why the newest content is not in force; nil when it is.
	Err error
	// FailedAt is when Err was first seen.
	FailedAt time.Time
}

// Options of a Loop. Name and Load are required.
type Options[T any] struct {
	// Name says what is loaded, in messages: "configuration".
	Name string
	// Load reads the content and makes a value of it. It gets the hash of the
	// value in force: when the content still has that hash, Load may return a
	// zero value with it, and nothing happens. Load is never called twice at the
	// same time.
	Load func(known string) (value T, hash string, err error)
	// Recorder may be nil.
	Recorder Recorder
	// Log may be nil.
	Log *slog.Logger
	// Now defaults to time.Now.
	Now func() time.Time
	// Debounce defaults to DefaultDebounce.
	Debounce time.Duration
}

// Loop holds the newest good value. Its methods may be called at any time from
// any goroutine.
type Loop[T any] struct {
	opt     Options[T]
	current atomic.Pointer[Version[T]]
	pokes   chan struct{}
	changes atomic.Pointer[func(Version[T])]

	mu       sync.Mutex // held while loading; guards the two below
	failure  error
	failedAt time.Time
	state    atomic.Pointer[State]
}

// New returns a Loop that holds nothing yet.
func New[T any](opt Options[T]) *Loop[T] {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Debounce == 0 {
		opt.Debounce = DefaultDebounce
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	l := &Loop[T]{opt: opt, pokes: make(chan struct{}, 1)}
	l.state.Store(&State{})
	return l
}

// Current returns the value in force, or nil before the first. It is one atomic
// load, and what it returns never changes.
func (l *Loop[T]) Current() *Version[T] { return l.current.Load() }

// OnChange sets what is called after a new value has come into force, in place
// of what was set before. It is called by Run or Reload, one call at a time, and
// must not call Reload.
func (l *Loop[T]) OnChange(f func(Version[T])) { l.changes.Store(&f) }

// State says what is in force and what went wrong last.
func (l *Loop[T]) State() State { return *l.state.Load() }

// Poke says that the content may have changed. It never waits.
func (l *Loop[T]) Poke() {
	select {
	case l.pokes <- struct{}{}:
	default: // one is pending already, and it will see this change too
	}
}

// Reload loads now, and returns why the newest content is not in force. The
// value in force stays the same then.
func (l *Loop[T]) Reload() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	known := ""
	if v := l.current.Load(); v != nil {
		known = v.Hash
	}
	value, hash, err := l.opt.Load(known)
	switch {
	case err != nil:
		l.failed(err)
	case hash == known && known != "":
		l.unchanged()
	default:
		l.changed(value, hash)
	}
	return err
}

func (l *Loop[T]) failed(err error) {
	// The same bad content is found again at every poll: said once is enough.
	if l.failure == nil || l.failure.Error() != err.Error() {
		l.failedAt = l.opt.Now()
		if l.opt.Recorder != nil {
			l.opt.Recorder.ReloadFailed(l.failedAt)
		}
		if v := l.current.Load(); v != nil {
			l.opt.Log.Error(l.opt.Name+" not reloaded, the last good one stays in force",
				"error", err, "hash", v.Hash, "since", v.LoadedAt)
		}
	}
	l.failure = err
	l.publish()
}

func (l *Loop[T]) unchanged() {
	if l.failure == nil {
		return
	}
	l.failure = nil
	l.opt.Log.Info(l.opt.Name+" is again what is in force", "hash", l.current.Load().Hash)
	if l.opt.Recorder != nil {
		v := l.current.Load()
		l.opt.Recorder.Reloaded(v.Hash, l.opt.Now())
	}
	l.publish()
}

func (l *Loop[T]) changed(value T, hash string) {
	v := &Version[T]{Value: value, Hash: hash, LoadedAt: l.opt.Now()}
	l.current.Store(v)
	l.failure = nil
	l.publish()
	l.opt.Log.Info(l.opt.Name+" loaded", "hash", hash)
	if l.opt.Recorder != nil {
		l.opt.Recorder.Reloaded(hash, v.LoadedAt)
	}
	if f := l.changes.Load(); f != nil {
		(*f)(*v)
	}
}

func (l *Loop[T]) publish() {
	s := State{Err: l.failure}
	if v := l.current.Load(); v != nil {
		s.Hash, s.LoadedAt = v.Hash, v.LoadedAt
	}
	if l.failure != nil {
		s.FailedAt = l.failedAt
	}
	l.state.Store(&s)
}

// Run loads after each Poke, until ctx is done; then it returns nil. A failed
// load is not an error of Run.
func (l *Loop[T]) Run(ctx context.Context) error {
	if l.opt.Load == nil {
		return errors.New("reload: no Load function")
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.pokes:
		}
		if !l.settle(ctx) {
			return nil
		}
		_ = l.Reload() // recorded, logged and shown by State
	}
}

// settle waits until no change has come for the debounce time, but no longer
// than ten times that: a source that never rests must not hold back a change
// for ever.
func (l *Loop[T]) settle(ctx context.Context) bool {
	last := time.NewTimer(10 * l.opt.Debounce)
	defer last.Stop()
	quiet := time.NewTimer(l.opt.Debounce)
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-quiet.C:
			return true
		case <-last.C:
			return true
		case <-l.pokes:
			quiet.Reset(l.opt.Debounce)
		}
	}
}
