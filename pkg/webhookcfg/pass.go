package webhookcfg

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
)

// plan is what one configuration needs.
type plan struct {
	bundles map[int][]byte // by index of the entry
	count   int            // CAs in the largest of them
	reason  string
	// again is when the plan may change by itself; zero: never.
	again time.Time
}

// plan compares what was last seen of a configuration with what is wanted.
func (r *Reconciler) plan(name string, now time.Time) (*admissionv1.MutatingWebhookConfiguration, plan) {
	config, _ := r.get(name)
	if config == nil {
		return nil, plan{}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	p := plan{bundles: map[int][]byte{}}
	for _, e := range entries(config, r.o.Webhooks) {
		have, _ := pki.ScanBundle(e.live)
		p.again = earliest(p.again, r.watchUnwanted(have, now))
		text, changed := Mended(e.live, r.want, r.retired(now), now)
		if !changed {
			continue
		}
		p.bundles[e.index] = text
		cas, _ := pki.ScanBundle(text)
		p.count = max(p.count, len(cas))
		p.reason = reason(e.live, have, r.want, now)
	}
	return config, p
}

// watchUnwanted notes since when earlier CAs of ours have been unwanted, and
// returns when the next of the given CAs may have to go.
func (r *Reconciler) watchUnwanted(have []*x509.Certificate, now time.Time) time.Time {
	var next time.Time
	for _, ca := range have {
		if at := ca.NotAfter.Add(time.Second); at.After(now) {
			next = earliest(next, at)
		}
		key := string(ca.Raw)
		if !superseded(ca, r.want, r.o.Ours) {
			delete(r.unwanted, key)
			continue
		}
		if r.unwanted[key].IsZero() {
			r.unwanted[key] = now
		}
		if at := r.unwanted[key].Add(r.o.PruneDelay); at.After(now) {
			next = earliest(next, at)
		}
	}
	return next
}

func (r *Reconciler) retired(now time.Time) func(*x509.Certificate) bool {
	return func(ca *x509.Certificate) bool {
		since, noted := r.unwanted[string(ca.Raw)]
		return noted && superseded(ca, r.want, r.o.Ours) && !now.Before(since.Add(r.o.PruneDelay))
	}
}

// reason says what is wrong with a caBundle, for the log.
func reason(text []byte, have, want []*x509.Certificate, now time.Time) string {
	_, rubbish := pki.ScanBundle(text)
	missing := 0
	for _, ca := range want {
		if !pki.Contains(have, ca) {
			missing++
		}
	}
	switch {
	case len(text) == 0:
		return "it was empty"
	case len(have) == 0:
		return "it held no certificate"
	case missing > 0:
		return fmt.Sprintf("it lacked %d of %d wanted CAs", missing, len(want))
	case rubbish:
		return "it held something else than CAs"
	case len(pki.Unexpired(have, now)) < len(have):
		return "it held an expired CA"
	}
	return "it held an earlier CA that is not needed any more"
}

// pass mends what is due and returns when to look again.
func (r *Reconciler) pass(ctx context.Context) time.Time {
	r.healing.Lock()
	defer r.healing.Unlock()
	now := r.o.Clock.Now()
	if r.back.Swap(false) {
		clear(r.due)
		clear(r.backoff)
	}
	var next time.Time
	for _, name := range r.o.Configs {
		next = earliest(next, r.passOne(ctx, name, now))
	}
	return next
}

func (r *Reconciler) passOne(ctx context.Context, name string, now time.Time) time.Time {
	config, plan := r.plan(name, now)
	if config == nil {
		delete(r.due, name)
		return time.Time{}
	}
	r.tellEntries(config)
	if len(plan.bundles) == 0 || r.o.Observe {
		delete(r.due, name)
		return plan.again
	}
	due, waiting := r.due[name]
	if !waiting {
		due = now.Add(time.Duration(r.o.Rand() * float64(jitter)))
		r.due[name] = due
	}
	if now.Before(due) {
		return due
	}
	if !r.limiter.AllowN(now, 1) {
		r.trouble.Report("cabundle-fight", fmt.Sprintf("somebody keeps changing the caBundle of %s as soon as it is set: find who else writes it (kubectl get mutatingwebhookconfiguration %s --show-managed-fields -o yaml)", name, name))
		r.due[name] = now.Add(time.Second / healRate)
		return r.due[name]
	}
	return r.heal(ctx, name, config, plan, now)
}

func (r *Reconciler) heal(ctx context.Context, name string, config *admissionv1.MutatingWebhookConfiguration, plan plan, now time.Time) time.Time {
	err := r.send(ctx, config, plan)
	switch {
	case err == nil:
		delete(r.due, name)
		delete(r.backoff, name)
		r.trouble.Clear("cabundle-patch")
		return now
	case ctx.Err() != nil:
		return time.Time{}
	case lost(err):
		// Somebody was first, and the watch may not have brought it yet.
		delete(r.due, name)
		err = r.read(ctx, name)
		if err == nil {
			return now
		}
		r.trouble.Report("cabundle-patch", err.Error())
	default:
		r.trouble.Report("cabundle-patch", (&kube.Error{Verb: "patch", Object: "webhook configuration " + name, Err: err}).Error()+"; until it works no pod can be admitted by this webhook")
	}
	pause := min(max(2*r.backoff[name], minBackoff), maxBackoff)
	r.backoff[name] = pause
	r.due[name] = now.Add(time.Duration(float64(pause) * (1 - r.o.Rand()/2)))
	return r.due[name]
}

// tellEntries logs what a person should know about the entries.
func (r *Reconciler) tellEntries(config *admissionv1.MutatingWebhookConfiguration) {
	found := entries(config, r.o.Webhooks)
	if len(found) == 0 {
		r.trouble.Report("webhook-entry", explainEntries(config, r.o.Webhooks).Error())
		return
	}
	r.trouble.Clear("webhook-entry")
	r.mu.Lock()
	want := slices.Clone(r.want)
	r.mu.Unlock()
	for _, e := range found {
		have, _ := pki.ScanBundle(e.live)
		for _, ca := range have {
			if len(want) > 0 && !r.o.Ours(ca) && !pki.Contains(want, ca) {
				r.trouble.Report("cabundle-foreign", fmt.Sprintf("caBundle of webhook %s in %s holds the CA %s of somebody else; it is kept until it expires at %s",
					e.name, config.Name, pki.Describe(ca), ca.NotAfter.UTC().Format(time.RFC3339)))
			}
		}
	}
}

// earliest returns the earlier of two times, of which zero means never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
