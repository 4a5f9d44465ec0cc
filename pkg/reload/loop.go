package reload

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// defaultDebounce is how long a Loop waits for more changes before it loads. A
// ConfigMap volume changes in one rename, but two volumes change one after the
// other, and an editor writes a file in several steps.
const defaultDebounce = 100 * time.Millisecond

// Recorder counts what a Loop does. Calls come from one goroutine at a time.
type Recorder interface {
	// Reloaded is called when the value with this hash has come into force.
	Reloaded(hash string, at time.Time)
	// ReloadFailed is called when a new value was refused: once for each different
	// reason, not once for each attempt.
	ReloadFailed(at time.Time)
}

// Later is the error of a Load that has found a change which is not complete yet.
// Nothing else changes then, and the Loop loads again after the time.
type Later struct {
	// Wait is after how long to load again, if no change comes before.
	Wait time.Duration
	// Reason says what the Load waits for.
	Reason string
}

func (l *Later) Error() string { return l.Reason }

// Version is a loaded value together with what identifies it.
type Version[T any] struct {
	Value T
	// Hash identifies the content that Value was made of.
	Hash string
	// LoadedAt is when Value came into force.
	LoadedAt time.Time
}

// State is what a Loop holds and what went wrong last.
type State struct {
	// Hash and LoadedAt are those of the value in force; empty before the first.
	Hash     string
	LoadedAt time.Time
	// Err is why the newest content is not in force; nil when it is.
	Err error
	// FailedAt is when Err was first seen.
	FailedAt time.Time
	// Waiting says what a newer content waits for; empty when none does.
	Waiting string
}

// Options of a Loop. Name and Load are required.
type Options[T any] struct {
	// Name is what is loaded, for messages: "configuration".
	Name string
	// Load reads the content and makes a value of it. It gets the hash of the
	// value in force: when the content still has that hash, Load may return a
	// zero value with it, and nothing happens. It returns a *Later where the content
	// is not complete. A value and a hash that come with another error stand in for
	// the content: they come into force, and the error says why the content has not. Load is never called twice at the same time. What it returns
	// after ctx has ended is not looked at.
	Load func(ctx context.Context, known string) (value T, hash string, err error)
	// Recorder may be nil.
	Recorder Recorder
	// Log may be nil.
	Log *slog.Logger
	// Now defaults to time.Now.
	Now func() time.Time
	// Debounce is how long no change must have come before the content is loaded;
	// ten times that is the most that a change waits. It defaults to 100 ms.
	Debounce time.Duration
}

// Loop holds the newest good value. Its methods may be called at any time from
// any goroutine.
type Loop[T any] struct {
	opt     Options[T]
	current atomic.Pointer[Version[T]]
	pokes   chan struct{}
	changes atomic.Pointer[func(Version[T])]

	mu       sync.Mutex // held while loading; guards the three below
	failure  error
	failedAt time.Time
	waiting  *Later // what the last load has asked for; nil: nothing
	state    atomic.Pointer[State]
}

// New returns a Loop that holds nothing yet.
func New[T any](opt Options[T]) *Loop[T] {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Debounce == 0 {
		opt.Debounce = defaultDebounce
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	l := &Loop[T]{opt: opt, pokes: make(chan struct{}, 1)}
	l.state.Store(&State{})
	return l
}

// Current returns the value in force, or nil before the first. It costs one atomic
// load, and the returned Version never changes.
func (l *Loop[T]) Current() *Version[T] { return l.current.Load() }

// OnChange sets the function that is called after a new value has come into force;
// it replaces the one set before. Run and Reload call it, one call at a time. It
// must not call Reload.
func (l *Loop[T]) OnChange(f func(Version[T])) { l.changes.Store(&f) }

// State returns what is in force and what went wrong last.
func (l *Loop[T]) State() State { return *l.state.Load() }

// Poke tells the Loop that the content may have changed. It never waits.
func (l *Loop[T]) Poke() {
	select {
	case l.pokes <- struct{}{}:
	default: // one is pending already, and it will see this change too
	}
}

// Reload loads now, and returns why the newest content is not in force: a *[Later]
// when it is not complete yet. The value in force stays the same then. When ctx ends
// before, nothing changes and the error is that of ctx.
func (l *Loop[T]) Reload(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	known := ""
	if v := l.current.Load(); v != nil {
		known = v.Hash
	}
	value, hash, err := l.opt.Load(ctx, known)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var later *Later
	if errors.As(err, &later) {
		l.wait(later)
		return err
	}
	l.waiting = nil
	switch {
	case err != nil:
		if hash != "" && hash != known {
			l.install(value, hash)
		}
		l.failed(err)
	case hash == known && known != "":
		l.unchanged()
	default:
		l.failure = nil
		l.install(value, hash)
	}
	return err
}

func (l *Loop[T]) wait(later *Later) {
	if l.waiting == nil || l.waiting.Reason != later.Reason {
		l.opt.Log.Info(l.opt.Name+" waits", "for", later.Reason, "atMost", later.Wait)
	}
	l.waiting = later
	l.publish()
}

func (l *Loop[T]) failed(err error) {
	// Every poll finds the same bad content again, which is logged once.
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
		l.publish()
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

// install puts a value into force.
func (l *Loop[T]) install(value T, hash string) {
	v := &Version[T]{Value: value, Hash: hash, LoadedAt: l.opt.Now()}
	l.current.Store(v)
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
	if l.waiting != nil {
		s.Waiting = l.waiting.Reason
	}
	l.state.Store(&s)
}

// Run loads after each Poke, until ctx is done; then it returns nil. A failed
// load is not an error of Run.
func (l *Loop[T]) Run(ctx context.Context) error {
	if l.opt.Load == nil {
		return errors.New("reload: no Load function")
	}
	again := time.NewTimer(0) // after which a Load wants to be called again
	again.Stop()
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-again.C:
		case <-l.pokes:
			if !l.settle(ctx) {
				return nil
			}
		}
		again.Stop()
		var later *Later
		if errors.As(l.Reload(ctx), &later) { // other errors are recorded, logged and shown by State
			again.Reset(later.Wait)
		}
	}
}

// settle waits until no change has come for the debounce time, but no longer than
// ten times that, because a source that never rests would delay a change for ever.
// It returns false when ctx is done.
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
