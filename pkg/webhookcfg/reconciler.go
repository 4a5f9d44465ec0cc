package webhookcfg

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/utils/clock"
)

// Options are what a Reconciler works with. All but Ours are needed.
type Options struct {
	// Client needs get, list, watch and patch on the named configurations.
	Client Configurations[*admissionv1.MutatingWebhookConfiguration, *admissionv1.MutatingWebhookConfigurationList]
	// Configs and Webhooks name the configurations, and the entries in them, whose
	// caBundle is kept right.
	Configs, Webhooks []string
	// GuardConfigs name the ValidatingWebhookConfigurations whose entry
	// [GuardWebhook] gets the same caBundle; may be empty. Nothing waits for them:
	// they are no part of Live, and what fails there fails nothing else.
	GuardConfigs []string
	// GuardClient needs the same rights on these; not needed without them.
	GuardClient Configurations[*admissionv1.ValidatingWebhookConfiguration, *admissionv1.ValidatingWebhookConfigurationList]
	// Observe only looks: nothing is patched.
	Observe bool
	// Ours reports whether this installation made a CA; nil: none.
	Ours func(*x509.Certificate) bool
	// PruneDelay is how long an earlier CA of ours must have been unwanted before
	// it is removed. Another replica may still want it: it learns of a change of
	// the Secret a little later.
	PruneDelay time.Duration
	Clock      clock.Clock
	Rand       func() float64 // uniform in [0,1)
	Log        *slog.Logger
	Recorder   Recorder
}

// Recorder is told what happens, for metrics. Implementations are safe for
// concurrent use and do not block.
type Recorder interface {
	// Healed counts a repair of what ("cabundle").
	Healed(what string)
	// WriteFailed counts a patch of what ("cabundle") that failed.
	WriteFailed(what string)
}

// Reconciler keeps caBundles right, each webhook configuration by a loop of its
// own. It is safe for concurrent use, except for Sync and Pending, which are for
// processes that do not Run.
type Reconciler struct {
	*live
	o       Options
	changed chan struct{}
	objects []*object // those that Live tells of
	guards  []*object

	mu   sync.Mutex
	want []*x509.Certificate
}

// New returns a Reconciler that wants nothing yet.
func New(o Options) (*Reconciler, error) {
	if len(o.Configs) == 0 || len(o.Webhooks) == 0 || slices.Contains(slices.Concat(o.Configs, o.Webhooks, o.GuardConfigs), "") {
		return nil, errors.New("name of the webhook configuration or of the webhook is empty: set --webhookConfigName, --webhookName and --validatingWebhookConfigName")
	}
	if o.Ours == nil {
		o.Ours = func(*x509.Certificate) bool { return false }
	}
	r := &Reconciler{live: newLive(o.Configs, o.Webhooks), o: o, changed: make(chan struct{}, 1)}
	ofPods := mutatingKind(o.Client)
	for _, name := range o.Configs {
		r.objects = append(r.objects, newObject(r, ofPods, name, o.Webhooks, r.live))
	}
	if len(o.GuardConfigs) > 0 {
		ofGuard := validatingKind(o.GuardClient)
		for _, name := range o.GuardConfigs {
			r.guards = append(r.guards, newObject(r, ofGuard, name, []string{GuardWebhook}, nil))
		}
	}
	return r, nil
}

// Want names the CAs that the caBundles must hold from now on.
func (r *Reconciler) Want(cas []*x509.Certificate) {
	r.mu.Lock()
	same := slices.EqualFunc(r.want, cas, (*x509.Certificate).Equal)
	r.want = cas
	r.mu.Unlock()
	if same {
		return
	}
	for _, o := range r.all() {
		o.loop.Wake()
	}
}

// all are the objects of both kinds.
func (r *Reconciler) all() []*object { return slices.Concat(r.objects, r.guards) }

// wanted are the CAs that Want named last. The slice is not changed by anybody.
func (r *Reconciler) wanted() []*x509.Certificate {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.want
}

// Troubles names what is wrong with the configurations now, as the log names it.
func (r *Reconciler) Troubles() []string {
	var all []string
	for _, o := range r.all() {
		all = append(all, o.loop.Troubles()...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Changed receives after Live may have changed.
func (r *Reconciler) Changed() <-chan struct{} { return r.changed }

// notify makes Changed receive.
func (r *Reconciler) notify() {
	select {
	case r.changed <- struct{}{}:
	default: // it will, for an earlier change
	}
}

// Run follows the configurations and mends them until ctx ends, and then returns
// nil.
func (r *Reconciler) Run(ctx context.Context) error {
	var running sync.WaitGroup
	defer running.Wait()
	for _, o := range r.all() {
		// A loop has no error of its own: it ends with ctx.
		running.Go(func() { _ = o.loop.Run(ctx) })
	}
	return nil
}

// Sync reads every configuration, mends it and reads it back, once. A configuration
// that does not exist is no error. That one of GuardConfigs cannot be mended is
// only logged: no certificate waits for it, and a server mends it later.
func (r *Reconciler) Sync(ctx context.Context) error {
	var errs []error
	for _, o := range r.objects {
		errs = append(errs, o.sync(ctx))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, o := range r.guards {
		if err := o.sync(ctx); err != nil {
			r.o.Log.Warn("caBundle not set", "webhookConfiguration", o.name, "kind", o.kind.resource, "error", err, "consequence", o.kind.unwritten)
		}
	}
	return nil
}

// Pending says what would be patched now, one sentence per configuration.
func (r *Reconciler) Pending() []string {
	var out []string
	for _, o := range r.all() {
		if p := o.plan(r.o.Clock.Now()); len(p.bundles) > 0 {
			out = append(out, fmt.Sprintf("set caBundle of %s, then of %d CA certificate(s), because %s", o.describe(), p.count, p.reason))
		}
	}
	return out
}
