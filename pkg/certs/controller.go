package certs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/control"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/trouble"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
)

// Options are what a Controller works with. All but CABundle are needed.
type Options struct {
	Store Store
	// Secret is the Store's name, for messages.
	Secret types.NamespacedName
	// CABundle is the caBundle in the cluster; nil when nobody here looks at it.
	CABundle CABundle
	// Source gets the certificate that is to be served.
	Source *CertificateSource
	// Policy must be complete and valid.
	Policy   Policy
	Clock    clock.Clock
	Rand     func() float64 // uniform in [0,1); spreads the actors' writes
	Log      *slog.Logger
	Recorder Recorder
}

const (
	// urgentSpread spreads repairs of several replicas: a conflict costs a round trip,
	// waiting costs repair time, of which a second is promised.
	urgentSpread = 200 * time.Millisecond
	// maxSpread bounds the spread of planned steps.
	maxSpread = 10 * time.Second
	// The first and the longest pause after a call that failed.
	minBackoff = 100 * time.Millisecond
	maxBackoff = 30 * time.Second
	// writeBurst is more than what a wipe of everything in the middle of a change of
	// CA needs, several times over.
	writeBurst = 20
	// maxWriteInterval is the pause between writes when the burst is spent. A
	// certificate that is renewed in time is written a few times in weeks.
	maxWriteInterval = 30 * time.Second
)

// Controller keeps a Secret's certificates alive: it reads the Secret, serves its
// certificate through a [CertificateSource] and writes what [Decide] wants.
type Controller struct {
	o      Options
	writer writer
	loop   *control.Loop

	// Used by the loop alone.
	actor      *actor
	seen       bool           // the Secret has been read
	secret     *corev1.Secret // as it was read last; nil: there is none
	state      State
	contention contention
}

// New returns a Controller. Policy errors are returned.
func New(o Options) (*Controller, error) {
	if err := o.Policy.Validate(); err != nil {
		return nil, err
	}
	c := &Controller{
		o: o, actor: newActor(o.Policy, o.Source),
		writer: writer{store: o.Store, secret: o.Secret, policy: o.Policy, log: o.Log, recorder: o.Recorder},
	}
	c.loop = control.New(control.Options{
		Object: c.writer.object(), Look: c.look, Follow: o.Store.Watch,
		ReadFailed: c.readFailed, WriteFailed: c.writeFailed, BudgetSpent: c.budgetSpent,
		// Twenty writes within what is left of a certificate when it is renewed: far
		// more than the few that are needed, whatever the validity.
		Budget:     control.Budget{Burst: writeBurst, Every: min(maxWriteInterval, o.Policy.RenewBefore/20)},
		MinBackoff: minBackoff, MaxBackoff: maxBackoff, Clock: o.Clock, Rand: o.Rand, Log: o.Log,
	})
	return c, nil
}

// Run works until ctx ends, and then returns nil. Nothing that happens to the
// Secret or to the API server ends it: it serves on from memory and tries again.
func (c *Controller) Run(ctx context.Context) error {
	var waking sync.WaitGroup
	defer waking.Wait()
	if c.o.CABundle != nil {
		waking.Go(func() { c.wakeOnChange(ctx, c.o.CABundle.Changed()) })
	}
	return c.loop.Run(ctx)
}

func (c *Controller) wakeOnChange(ctx context.Context, changed <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
			c.loop.Wake()
		}
	}
}

// Troubles names what is wrong with the Secret now, as the log names it.
func (c *Controller) Troubles() []string { return c.loop.Troubles() }

var errNoSecret = errors.New("the secret does not exist")

// look reads the Secret, serves its certificate if its time has come, and plans
// the next write.
func (c *Controller) look(ctx context.Context) (control.Plan, error) {
	secret, err := c.o.Store.Get(ctx)
	switch {
	case err == nil:
		c.seen, c.secret, c.state = true, secret, ParseState(secret.Data)
	case apierrors.IsNotFound(err):
		c.seen, c.secret, c.state = true, nil, State{Empty: true, LeafErr: errNoSecret, CAErr: errNoSecret}
		err = nil
	default:
		err = &kube.Error{Verb: "get", Object: c.writer.object(), Err: err}
	}
	if !c.seen {
		return control.Plan{}, err
	}
	// Without an answer of the API server the certificate in use may still have to
	// change for the one that was read last.
	now := c.o.Clock.Now()
	v := c.actor.tick(now, c.state, c.secret != nil, viewOf(c.o.CABundle))
	if c.o.CABundle != nil {
		c.o.CABundle.Want(v.want)
	}
	c.recordServed(v)
	plan := control.Plan{
		Next:     earliest(v.requeueAt, c.contention.ends(now)),
		Troubles: c.troubles(v),
	}
	if v.step.Action != Wait {
		secret := c.secret
		plan.Change, plan.Spread, plan.NotBefore = string(v.step.Action), c.spread(v.step), c.contention.notBefore
		plan.Write = func(ctx context.Context) error {
			err := c.writer.write(ctx, secret, v)
			switch {
			case err == nil:
				c.contention.wrote(v, now)
			case kube.Classify(err) == kube.Conflict:
				c.o.Log.Debug("another actor was first", "action", plan.Change, "secret", c.o.Secret.String())
			}
			return err
		}
	}
	return plan, err
}

// spread is the time over which replicas spread a step: for planned steps a tenth
// of the time that is left for them.
func (c *Controller) spread(s Step) time.Duration {
	if s.Urgent {
		return urgentSpread
	}
	return min(maxSpread, c.o.Policy.RenewBefore/10)
}

// recordServed logs a change of what is served, and counts its expiry.
func (c *Controller) recordServed(v verdict) {
	served := c.o.Source.Current()
	if served == nil {
		return
	}
	leaf := served.Leaf.Cert
	if v.newLeaf {
		c.o.Log.Info("serving another certificate", "serial", leaf.SerialNumber.Text(16), "until", leaf.NotAfter)
	}
	c.o.Recorder.CertificateExpiry("leaf", leaf.NotAfter)
	if anchors := served.Leaf.Anchors(served.Roots, v.input.Now); len(anchors) > 0 {
		c.o.Recorder.CertificateExpiry("ca", anchors[0].NotAfter)
	}
}

// troubles are what is wrong with the Secret.
func (c *Controller) troubles(v verdict) []trouble.Trouble {
	s, exists := v.input.Secret, v.input.Exists
	var all []trouble.Trouble
	add := func(key, format string, args ...any) {
		all = append(all, trouble.Trouble{Key: key, Message: fmt.Sprintf(format, args...)})
	}
	switch {
	case !exists:
		add("secret-missing", "%s does not exist, and only the chart may create it: run helm upgrade, or create it without data; %s", c.writer.object(), c.servingUntil())
	case v.leafErr != nil && !s.Empty:
		add("secret-unusable", "%s cannot be used: %v; %s", c.writer.object(), v.leafErr, c.servingUntil())
	case v.leafErr != nil && len(s.UnknownKeys) > 0:
		add("secret-keys", "%s holds %s but not %s, %s and %s: is it another program's secret?",
			c.writer.object(), strings.Join(s.UnknownKeys, ", "), KeyChain, KeyPrivate, KeyRoots)
	}
	if pki.KindOf(v.leafErr) == pki.NotYetValid {
		add("clock-skew", "the clock of this node, or of the one that made the certificate, is wrong by more than %s: %v", pki.Backdate, v.leafErr)
	}
	if c.contention.lasts(v.input.Now) {
		add("secret-shared", "%s keeps changing to a certificate for other names: two releases use it; give each its own secret", c.writer.object())
	}
	return all
}

func (c *Controller) servingUntil() string {
	served := c.o.Source.Current()
	if served == nil {
		return "nothing can be served"
	}
	return "serving on from memory until " + served.Leaf.Cert.NotAfter.UTC().Format(time.RFC3339)
}

func (c *Controller) readFailed(err error) trouble.Trouble {
	return trouble.Trouble{Key: "secret-watch", Message: err.Error() + "; serving on with the certificate in memory"}
}

func (c *Controller) writeFailed(err error) trouble.Trouble {
	key := "secret-write"
	if applying := (*applyError)(nil); errors.As(err, &applying) {
		key = "issue"
	}
	return trouble.Trouble{Key: key, Message: err.Error()}
}

func (c *Controller) budgetSpent() trouble.Trouble {
	return trouble.Trouble{Key: "secret-fight", Message: fmt.Sprintf(
		"%s had to be written again and again, and further writes wait: compare the clocks of the nodes, and find who else writes it (kubectl get secret --namespace %s %s --show-managed-fields -o yaml)",
		c.writer.object(), c.o.Secret.Namespace, c.o.Secret.Name)}
}

// contention notices that somebody with other DNS names uses the same Secret: the
// certificate is made to fit again and again. Without a brake each would undo the
// other's write at once, for ever.
type contention struct {
	last      time.Time // of the last repair
	count     int
	notBefore time.Time // of the next one
}

// contentionWindow is how long after a repair the next one for the same reason
// counts as contention.
const contentionWindow = 10 * time.Minute

// wrote takes in a write.
func (c *contention) wrote(v verdict, now time.Time) {
	c.notBefore = time.Time{}
	if pki.KindOf(v.leafErr) != pki.MissingName {
		return
	}
	if now.Sub(c.last) > contentionWindow {
		c.count = 0
	}
	c.last, c.count = now, c.count+1
	if c.count > 1 {
		c.notBefore = now.Add(min(time.Second<<min(c.count, 10), contentionWindow/2))
	}
}

func (c *contention) lasts(now time.Time) bool {
	return c.count > 1 && now.Sub(c.last) <= contentionWindow
}

// ends is when it is over if nothing more happens; zero when it does not last.
func (c *contention) ends(now time.Time) time.Time {
	if !c.lasts(now) {
		return time.Time{}
	}
	return c.last.Add(contentionWindow + 1)
}
