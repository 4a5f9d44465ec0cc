package webhookcfg

import (
	"context"
	"crypto/x509"
	"fmt"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/control"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/trouble"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
)

const (
	// spread is the time over which replicas that see the same event spread their
	// patches. It is short because until the first one no pod can be admitted.
	spread = 50 * time.Millisecond
	// The first and the longest pause after a call that failed.
	minBackoff = 50 * time.Millisecond
	maxBackoff = 10 * time.Second
	// Somebody may overwrite every repair at once. So many repairs are made without
	// a pause, enough for any upgrade, then two per second.
	healBurst = 20
	healRate  = 2
	// maxSyncPatches bounds the patches of one Sync: each is followed by a read, and
	// whoever overwrites this many at once will go on.
	maxSyncPatches = healBurst
)

// object is one webhook configuration and the loop that keeps it right.
type object struct {
	r        *Reconciler
	kind     *kind
	name     string
	webhooks []string // names of the entries that are ours
	// seen takes in what is read; nil where nobody asks what this object holds.
	seen *live
	loop *control.Loop

	// Used by one goroutine at a time: that of the loop, or of Sync.
	config  *configuration // as it was read last; nil: there is none
	existed bool           // it has been there
	// unwanted is since when the earlier CAs of ours that are there have been
	// unwanted. Key: the certificate's bytes.
	unwanted map[string]time.Time
}

func newObject(r *Reconciler, k *kind, name string, webhooks []string, seen *live) *object {
	o := &object{r: r, kind: k, name: name, webhooks: webhooks, seen: seen}
	o.loop = control.New(control.Options{
		Object: o.describe(), Look: o.look, Follow: o.follow,
		ReadFailed: o.readFailed, WriteFailed: o.writeFailed, BudgetSpent: o.budgetSpent,
		Budget:     control.Budget{Burst: healBurst, Every: time.Second / healRate},
		MinBackoff: minBackoff, MaxBackoff: maxBackoff, Clock: r.o.Clock, Rand: r.o.Rand, Log: r.o.Log,
	})
	return o
}

// describe names the object in messages.
func (o *object) describe() string { return o.kind.title + " " + o.name }

func (o *object) follow(ctx context.Context, changed func(), failed func(error)) {
	o.kind.follow(ctx, o.name, changed, func(err error) {
		if o.seen != nil && o.seen.watching(o.name, err == nil, o.r.o.Clock.Now()) {
			o.r.notify()
		}
		failed(err)
	})
}

// read reads the configuration.
func (o *object) read(ctx context.Context) error {
	config, err := o.kind.get(ctx, o.name)
	switch {
	case err == nil:
		o.observe(config)
	case apierrors.IsNotFound(err):
		o.observe(nil)
	default:
		if o.seen != nil {
			o.seen.unread(o.name)
		}
		return &kube.Error{Verb: "get", Object: o.describe(), Err: err}
	}
	return nil
}

func (o *object) observe(config *configuration) {
	o.config, o.existed = config, o.existed || config != nil
	if o.seen != nil && o.seen.observe(o.name, config, o.r.o.Clock.Now()) {
		o.r.notify()
	}
}

// look reads the configuration and plans the next patch.
func (o *object) look(ctx context.Context) (control.Plan, error) {
	err := o.read(ctx)
	now := o.r.o.Clock.Now()
	p := o.plan(now)
	plan := control.Plan{Next: p.requeueAt, Troubles: o.troubles()}
	if len(p.bundles) > 0 && !o.r.o.Observe {
		config := o.config
		plan.Change, plan.Spread = "set caBundle", spread
		plan.Write = func(ctx context.Context) error { return o.write(ctx, config, p) }
	}
	return plan, err
}

// sync mends the configuration until there is nothing more to do.
func (o *object) sync(ctx context.Context) error {
	call := func(do func(context.Context) error) error {
		ctx, cancel := context.WithTimeout(ctx, control.CallTimeout)
		defer cancel()
		return do(ctx)
	}
	for range maxSyncPatches {
		if err := call(o.read); err != nil {
			return err
		}
		p := o.plan(o.r.o.Clock.Now())
		if len(p.bundles) == 0 || o.r.o.Observe {
			return nil // right, and just read
		}
		err := call(func(ctx context.Context) error { return o.write(ctx, o.config, p) })
		if kind := kube.Classify(err); err != nil && kind != kube.Conflict && kind != kube.NotFound {
			return err
		}
	}
	return fmt.Errorf("the caBundle of %s is overwritten as soon as it is set, %d times now", o.describe(), maxSyncPatches)
}

// plan is what one configuration needs.
type plan struct {
	bundles map[int][]byte // by index of the entry
	count   int            // CAs in the largest of them
	reason  string
	// requeueAt is when the plan may change by itself; zero: never.
	requeueAt time.Time
}

// plan compares what was read last with what is wanted.
func (o *object) plan(now time.Time) plan {
	p := plan{bundles: map[int][]byte{}}
	if o.config == nil {
		o.unwanted = nil
		return p
	}
	want := o.r.wanted()
	found := o.config.entries(o.webhooks)
	p.requeueAt = o.noteUnwanted(found, want, now)
	for _, e := range found {
		text, changed := Mended(e.live, want, o.retired(now), now)
		if !changed {
			continue
		}
		p.bundles[e.index] = text
		cas, _ := pki.ScanBundle(text)
		p.count = max(p.count, len(cas))
		p.reason = reason(e.live, want, now)
	}
	return p
}

// noteUnwanted notes since when earlier CAs of ours have been there unwanted, and
// returns when the next CA may have to go. One that was taken out and comes back
// counts anew.
func (o *object) noteUnwanted(found []entry, want []*x509.Certificate, now time.Time) time.Time {
	var next time.Time
	unwanted := map[string]time.Time{}
	for _, e := range found {
		have, _ := pki.ScanBundle(e.live)
		for _, ca := range have {
			if at := ca.NotAfter.Add(time.Second); at.After(now) {
				next = earliest(next, at)
			}
			if !superseded(ca, want, o.r.o.Ours) {
				continue
			}
			since, noted := o.unwanted[string(ca.Raw)]
			if !noted {
				since = now
			}
			unwanted[string(ca.Raw)] = since
			if at := since.Add(o.r.o.PruneDelay); at.After(now) {
				next = earliest(next, at)
			}
		}
	}
	o.unwanted = unwanted
	return next
}

// retired reports of a CA whether it has been unwanted for long enough.
func (o *object) retired(now time.Time) func(*x509.Certificate) bool {
	return func(ca *x509.Certificate) bool {
		since, noted := o.unwanted[string(ca.Raw)]
		return noted && !now.Before(since.Add(o.r.o.PruneDelay))
	}
}

// write patches the configuration as it was read.
func (o *object) write(ctx context.Context, config *configuration, p plan) error {
	body, err := patch(config, p.bundles)
	if err != nil {
		return err
	}
	stored, err := o.kind.patch(ctx, o.name, body)
	if apierrors.IsInvalid(err) && o.changedSince(ctx, config) {
		err = apierrors.NewConflict(schema.GroupResource{Group: admissionv1.GroupName, Resource: o.kind.resource}, o.name, err)
	}
	if err != nil {
		if kind := kube.Classify(err); kind != kube.Conflict && kind != kube.NotFound {
			o.r.o.Recorder.WriteFailed("cabundle")
		}
		return &kube.Error{Verb: "patch", Object: o.describe(), Err: err}
	}
	o.r.o.Recorder.Healed("cabundle")
	o.r.o.Log.Info("caBundle set", "webhookConfiguration", o.name, "kind", o.kind.resource, "cas", p.count, "reason", p.reason)
	o.observe(stored)
	return nil
}

// changedSince reports whether the configuration is another one than when it was
// read. The API server answers a patch whose tests fail as it answers one whose
// result is invalid; only in the first case somebody else was first.
func (o *object) changedSince(ctx context.Context, read *configuration) bool {
	now, err := o.kind.get(ctx, o.name)
	if err != nil {
		return apierrors.IsNotFound(err)
	}
	return now.uid != read.uid || now.resourceVersion != read.resourceVersion
}

// troubles are what a person should know about the configuration.
func (o *object) troubles() []trouble.Trouble {
	if o.config == nil {
		if !o.existed {
			return nil // Helm installs it last
		}
		return []trouble.Trouble{{
			Key:     o.kind.prefix + "webhook-deleted " + o.name,
			Message: o.describe() + " was deleted: " + o.kind.deleted,
		}}
	}
	found := o.config.entries(o.webhooks)
	if len(found) == 0 {
		return []trouble.Trouble{{Key: o.kind.prefix + "webhook-entry", Message: o.kind.explain(o.config, o.webhooks).Error()}}
	}
	want := o.r.wanted()
	if len(want) == 0 {
		return nil
	}
	for _, e := range found {
		have, _ := pki.ScanBundle(e.live)
		for _, ca := range have {
			if !o.r.o.Ours(ca) && !pki.Contains(want, ca) {
				return []trouble.Trouble{{Key: o.kind.prefix + "cabundle-foreign", Message: fmt.Sprintf("caBundle of webhook %s in %s holds the CA %s of somebody else; it is kept until it expires at %s",
					e.name, o.name, pki.Describe(ca), ca.NotAfter.UTC().Format(time.RFC3339))}}
			}
		}
	}
	return nil
}

func (o *object) readFailed(err error) trouble.Trouble {
	return trouble.Trouble{Key: o.kind.prefix + "webhook-watch", Message: err.Error()}
}

func (o *object) writeFailed(err error) trouble.Trouble {
	return trouble.Trouble{Key: o.kind.prefix + "cabundle-patch", Message: err.Error() + "; " + o.kind.unwritten}
}

func (o *object) budgetSpent() trouble.Trouble {
	return trouble.Trouble{Key: o.kind.prefix + "cabundle-fight", Message: fmt.Sprintf(
		"somebody keeps changing the caBundle of %s as soon as it is set: find who else writes it (kubectl get %s %s --show-managed-fields -o yaml)", o.name, o.kind.resource, o.name)}
}
