package control

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/utils/clock"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/trouble"
)

const (
	// CallTimeout bounds each call of Look and of Write. An API server answers within
	// milliseconds, or within seconds under load; ten seconds are patient enough, and
	// short beside the minutes and days in which certificates are renewed.
	CallTimeout = 10 * time.Second
	// Resync is the longest time between two passes. Watches tell of changes within
	// milliseconds; a pass a minute bounds the harm of one that has silently ended.
	Resync = time.Minute
	// So many passes may follow each other without a pause, and then passesPerSecond:
	// somebody who writes the object all the time costs ten reads a second, no more.
	passBurst       = 100
	passesPerSecond = 10
)

// Plan is what Look finds is to be done.
type Plan struct {
	// Write makes the change that is needed; nil: none. An error of the kinds
	// kube.Conflict and kube.NotFound means that somebody else was first.
	Write func(ctx context.Context) error
	// Change names the change. While passes name the same one, its time stays.
	Change string
	// Spread is the time over which several processes spread the same change: the
	// write waits for a random part of it.
	Spread time.Duration
	// NotBefore is the earliest time of the write; zero: now.
	NotBefore time.Time
	// Next is when to look again if nothing changes; zero: at Resync.
	Next time.Time
	// Troubles are all that is wrong now.
	Troubles []trouble.Trouble
}

// Options are what a Loop works with. All are needed.
type Options struct {
	// Object names kind and object in messages, for example "secret ns/certs".
	Object string
	// Look reads the object from the API server and says what is to be done. When it
	// cannot read, it returns the error with a plan from what it read before, of
	// which Write is ignored.
	Look func(ctx context.Context) (Plan, error)
	// Follow calls changed at every change of the object, and failed with every
	// failed call and with nil after one that succeeds, until ctx ends.
	Follow func(ctx context.Context, changed func(), failed func(error))
	// The troubles of a failed read or watch, of a failed write, and of a budget that
	// is spent.
	ReadFailed, WriteFailed func(err error) trouble.Trouble
	BudgetSpent             func() trouble.Trouble

	Budget Budget
	// The first and the longest pause after a failure.
	MinBackoff, MaxBackoff time.Duration
	Clock                  clock.Clock
	Rand                   func() float64 // uniform in [0,1)
	Log                    *slog.Logger
}

// Loop keeps one object right. Wake and Troubles are safe for concurrent use.
type Loop struct {
	o      Options
	log    *trouble.Log
	wake   chan struct{}
	passes *rate.Limiter

	mu        sync.Mutex
	watchErr  error
	recovered bool // the watch works again since the last pass

	// Used by Tick alone.
	change    string    // that the last plan named; "": none
	due       time.Time // when it may be written
	writeErr  error     // of the last write, while the change is still needed
	backoff   time.Duration
	notBefore time.Time // of the next write
	bucket    *bucket
}

// New returns a Loop that has not looked yet.
func New(o Options) *Loop {
	return &Loop{
		o: o, log: trouble.New(o.Log, o.Clock), wake: make(chan struct{}, 1),
		passes: rate.NewLimiter(passesPerSecond, passBurst), bucket: newBucket(o.Budget),
	}
}

// Wake asks for a pass.
func (l *Loop) Wake() {
	select {
	case l.wake <- struct{}{}:
	default: // one is due anyway
	}
}

// Troubles names what the last pass found wrong, in order.
func (l *Loop) Troubles() []string { return l.log.Open() }

// Run makes passes until ctx ends, and then returns nil. Nothing that happens to
// the object or to the API server ends it.
func (l *Loop) Run(ctx context.Context) error {
	var following sync.WaitGroup
	defer following.Wait()
	following.Go(func() { l.o.Follow(ctx, l.Wake, l.watchFailed) })
	for ctx.Err() == nil {
		l.sleep(ctx, l.Tick(ctx), l.wake)
		now := l.o.Clock.Now()
		if pause := l.passes.ReserveN(now, 1).DelayFrom(now); pause > 0 {
			l.sleep(ctx, now.Add(pause), nil)
		}
	}
	return nil
}

// sleep waits until a moment, or until it is woken, or until ctx ends.
func (l *Loop) sleep(ctx context.Context, until time.Time, wake <-chan struct{}) {
	timer := l.o.Clock.NewTimer(max(0, until.Sub(l.o.Clock.Now())))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C():
	case <-wake:
	}
}

// watchFailed takes in whether the watch works. Only the first failure and the
// first success ask for a pass: in between nothing is new.
func (l *Loop) watchFailed(err error) {
	l.mu.Lock()
	news := (err == nil) != (l.watchErr == nil)
	l.recovered = l.recovered || (news && err == nil)
	l.watchErr = nil
	if err != nil {
		l.watchErr = &kube.Error{Verb: "watch", Object: l.o.Object, Err: err}
	}
	l.mu.Unlock()
	if news {
		l.Wake()
	}
}

// Tick makes one pass: it looks, and writes at most once. It returns when the next
// pass is due if nothing wakes the loop before.
func (l *Loop) Tick(ctx context.Context) time.Time {
	l.mu.Lock()
	watchErr, recovered := l.watchErr, l.recovered
	l.recovered = false
	l.mu.Unlock()
	if recovered {
		// The API server answers again: a pause that it caused has lost its reason.
		l.backoff, l.notBefore = 0, time.Time{}
	}
	plan, err := l.look(ctx)
	now := l.o.Clock.Now()
	next := earliest(plan.Next, now.Add(Resync))
	switch {
	case ctx.Err() != nil:
		return now // the order to stop is no trouble
	case err != nil:
		next = earliest(next, l.retry(now))
	case plan.Write == nil:
		l.change, l.writeErr, l.backoff, l.notBefore = "", nil, 0, time.Time{}
	default:
		next = earliest(next, l.write(ctx, plan, now))
	}
	if ctx.Err() != nil {
		return now
	}
	next = earliest(next, l.bucket.update(now))
	if err == nil {
		err = watchErr
	}
	l.report(plan, err)
	return next
}

func (l *Loop) look(ctx context.Context) (Plan, error) {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	return l.o.Look(ctx)
}

// write writes if the time has come, and returns when to look again.
func (l *Loop) write(ctx context.Context, plan Plan, now time.Time) time.Time {
	if plan.Change != l.change {
		l.change = plan.Change
		l.due = now.Add(time.Duration(l.o.Rand() * float64(plan.Spread)))
	}
	if start := latest(l.due, l.notBefore, plan.NotBefore); now.Before(start) {
		return start
	}
	if ok, at := l.bucket.take(now); !ok {
		return at
	}
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	err := plan.Write(ctx)
	switch kind := kube.Classify(err); {
	case err == nil, kind == kube.Conflict, kind == kube.NotFound:
		// Written, by us or by somebody else: the next pass sees what there is now.
		l.change, l.writeErr, l.backoff, l.notBefore = "", nil, 0, time.Time{}
		return now
	}
	l.change, l.writeErr = "", err
	l.notBefore = l.retry(l.o.Clock.Now())
	return l.notBefore
}

// retry returns when to try again after a failure: after twice the last pause,
// less a random part so that several processes do not come back together.
func (l *Loop) retry(now time.Time) time.Time {
	l.backoff = min(max(2*l.backoff, l.o.MinBackoff), l.o.MaxBackoff)
	return now.Add(time.Duration(float64(l.backoff) * (1 - l.o.Rand()/2)))
}

// report logs the troubles of this pass and the end of earlier ones.
func (l *Loop) report(plan Plan, readErr error) {
	all := plan.Troubles
	if readErr != nil {
		all = append(all, l.o.ReadFailed(readErr))
	}
	if l.writeErr != nil {
		all = append(all, l.o.WriteFailed(l.writeErr))
	}
	if l.bucket.spent {
		all = append(all, l.o.BudgetSpent())
	}
	l.log.Set(all)
}

// earliest returns the earlier of two times, of which zero means never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

func latest(first time.Time, others ...time.Time) time.Time {
	for _, t := range others {
		if t.After(first) {
			first = t
		}
	}
	return first
}
