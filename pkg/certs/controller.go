package certs

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/trouble"
)

// Options are what a Controller works with. All but CABundle are needed.
type Options struct {
	Store Store
	// Secret is the Store's name, for messages.
	Secret types.NamespacedName
	// CABundle is the caBundle in the cluster; nil when nobody here looks at it.
	CABundle CABundle
	Source   *CertificateSource
	// Policy must be complete and valid.
	Policy   Policy
	Clock    clock.Clock
	Rand     func() float64 // uniform in [0,1); spreads the actors' writes
	Log      *slog.Logger
	Recorder Recorder
}

// urgentJitter spreads repairs of several replicas: a conflict costs a round trip,
// waiting costs repair time, of which a second is promised.
const urgentJitter = 200 * time.Millisecond

// maxJitter bounds the spread of planned steps.
const maxJitter = 10 * time.Second

// The first and the last pause after a write that failed.
const (
	minBackoff = 100 * time.Millisecond
	maxBackoff = 30 * time.Second
)

// Controller follows a Secret, serves its certificate through a CertificateSource and does
// what Decide wants done.
type Controller struct {
	o       Options
	actor   *actor
	trouble *trouble.Log
	wake    chan struct{}

	mu     sync.Mutex
	seen   bool
	secret *corev1.Secret // nil: there is none
	state  State
	// blind is true while the watch fails, back for one pass when it works again.
	blind, back bool

	// Used by pass alone.
	pending   Step
	pendingAt time.Time
	backoff   time.Duration
	notBefore time.Time
	rivals    rivals
}

// New returns a Controller. Policy errors are returned.
func New(o Options) (*Controller, error) {
	if err := o.Policy.Validate(); err != nil {
		return nil, err
	}
	return &Controller{
		o: o, actor: newActor(o.Policy, o.Source), trouble: trouble.New(o.Log, o.Clock),
		wake: make(chan struct{}, 1),
	}, nil
}

// Run works until ctx ends, and then returns nil. Nothing that happens to the
// Secret or to the API server ends it: it serves on from memory and tries again.
func (c *Controller) Run(ctx context.Context) error {
	var watching sync.WaitGroup
	defer watching.Wait()
	watching.Go(func() { c.o.Store.Watch(ctx, c.observe, c.watchFailed) })

	var trustChanged <-chan struct{}
	if c.o.CABundle != nil {
		trustChanged = c.o.CABundle.Changed()
	}
	timer := c.o.Clock.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		next := c.pass(ctx)
		timer.Stop()
		var fire <-chan time.Time
		if !next.IsZero() {
			timer = c.o.Clock.NewTimer(max(0, next.Sub(c.o.Clock.Now())))
			fire = timer.C()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-c.wake:
		case <-trustChanged:
		case <-fire:
		}
	}
}

// observe takes in what the Secret is now. What is older than what is known, a
// watch event from before our own write, is dropped.
func (c *Controller) observe(secret *corev1.Secret) {
	c.mu.Lock()
	if !c.seen || !(secret != nil && c.secret != nil && kube.Older(secret, c.secret)) {
		c.seen, c.secret, c.state = true, secret, State{Empty: true, LeafErr: errNoSecret, CAErr: errNoSecret}
		if secret != nil {
			c.state = ParseState(secret.Data)
		}
	}
	c.mu.Unlock()
	c.poke()
}

func (c *Controller) poke() {
	select {
	case c.wake <- struct{}{}:
	default: // a pass is due anyway
	}
}

func (c *Controller) exists() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.secret != nil
}

var errNoSecret = errors.New("the secret does not exist")

func (c *Controller) watchFailed(err error) {
	c.mu.Lock()
	c.back = c.back || (c.blind && err == nil)
	c.blind = err != nil
	c.mu.Unlock()
	if err == nil {
		c.trouble.Clear("secret-watch")
		c.poke()
		return
	}
	c.trouble.Report("secret-watch", (&kube.Error{Verb: "watch", Object: "secret " + c.o.Secret.String(), Err: err}).Error()+"; serving on with the certificate in memory")
}

// pass looks once and acts at most once. It returns when to look again (zero:
// when something changes).
func (c *Controller) pass(ctx context.Context) time.Time {
	c.mu.Lock()
	seen, secret, state, back := c.seen, c.secret, c.state, c.back
	c.back = false
	c.mu.Unlock()
	if back {
		// The API server answers again: what failed meanwhile is not to wait on.
		c.backoff, c.notBefore = 0, time.Time{}
	}
	if !seen {
		return time.Time{}
	}
	now := c.o.Clock.Now()
	v := c.actor.look(now, state, secret != nil, look(c.o.CABundle))
	if c.o.CABundle != nil {
		c.o.CABundle.Want(v.want)
	}
	c.tell(v, secret != nil)
	if v.step.Action == Wait {
		c.pending = Step{}
		return v.again
	}
	if v.step.Action != c.pending.Action {
		c.pending = v.step
		c.pendingAt = now.Add(time.Duration(c.o.Rand() * float64(c.jitter(v.step))))
	}
	start := latest(c.pendingAt, c.notBefore)
	if now.Before(start) {
		return earliest(v.again, start)
	}
	return c.write(ctx, secret, v)
}

// jitter is the width over which a step is spread: for planned steps a tenth of
// the time that is left for them.
func (c *Controller) jitter(s Step) time.Duration {
	if s.Urgent {
		return urgentJitter
	}
	return min(maxJitter, c.o.Policy.RenewBefore/10)
}

func (c *Controller) write(ctx context.Context, secret *corev1.Secret, v verdict) time.Time {
	c.pending = Step{}
	now := v.input.Now
	state, err := Apply(v.step.Action, v.input, c.o.Policy)
	if err != nil {
		c.trouble.Report("issue", "cannot "+string(v.step.Action)+": "+err.Error())
		return c.retry(now)
	}
	next := secret.DeepCopy()
	next.Data = state.Data(secret.Data)
	stored, err := c.o.Store.Update(ctx, next)
	switch {
	case err == nil:
		c.backoff, c.notBefore = 0, c.rivals.wrote(v, now)
		c.trouble.Clear("secret-write")
		c.o.Log.Info("certificates changed", "action", string(v.step.Action), "reason", v.step.Reason, "secret", c.o.Secret.String())
		record(c.o.Recorder, v.step)
		if c.exists() {
			// Else the watch has told of its end in the meantime, which is the later news.
			c.observe(stored)
		}
		return now
	case apierrors.IsConflict(err):
		c.o.Recorder.WriteConflict()
		c.o.Log.Debug("another actor was first", "action", string(v.step.Action), "secret", c.o.Secret.String())
		return c.refresh(ctx, now)
	case apierrors.IsNotFound(err):
		return c.refresh(ctx, now)
	case ctx.Err() != nil:
		return time.Time{}
	}
	c.o.Recorder.WriteFailed("secret")
	c.trouble.Report("secret-write", (&kube.Error{Verb: "update", Object: "secret " + c.o.Secret.String(), Err: err}).Error()+"; "+v.step.Reason)
	return c.retry(now)
}

// refresh reads the Secret after a write that lost. The watch would bring it, too,
// but later, and until then every decision would lose again.
func (c *Controller) refresh(ctx context.Context, now time.Time) time.Time {
	secret, err := c.o.Store.Get(ctx)
	switch {
	case err == nil:
		c.observe(secret)
		return now
	case apierrors.IsNotFound(err):
		c.observe(nil)
		return now
	case ctx.Err() == nil:
		c.trouble.Report("secret-write", (&kube.Error{Verb: "get", Object: "secret " + c.o.Secret.String(), Err: err}).Error())
	}
	return c.retry(now)
}

// retry sets when the next write may start: after twice the last pause, less a
// random part so that replicas do not come back together.
func (c *Controller) retry(now time.Time) time.Time {
	c.backoff = min(max(2*c.backoff, minBackoff), maxBackoff)
	pause := time.Duration(float64(c.backoff) * (1 - c.o.Rand()/2))
	c.notBefore = now.Add(pause)
	return c.notBefore
}

// Troubles names what is wrong with the Secret now, as the log names it.
func (c *Controller) Troubles() []string { return c.trouble.Open() }

// tell reports troubles and expiry.
func (c *Controller) tell(v verdict, exists bool) {
	c.tellTroubles(v, exists)
	b := c.o.Source.Current()
	if b == nil {
		return
	}
	if v.served {
		c.o.Log.Info("serving another certificate", "serial", serial(b.Leaf.Cert), "until", b.Leaf.Cert.NotAfter)
	}
	c.o.Recorder.CertificateExpiry("leaf", b.Leaf.Cert.NotAfter)
	for _, ca := range b.Leaf.Anchors(b.Roots, v.input.Now) {
		c.o.Recorder.CertificateExpiry("ca", ca.NotAfter)
		break
	}
}

func serial(cert *x509.Certificate) string { return cert.SerialNumber.Text(16) }

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
