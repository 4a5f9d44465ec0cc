package certs

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
)

// Recorder is told what happens, for metrics. Implementations are safe for
// concurrent use and do not block.
type Recorder interface {
	// CertificateExpiry says until when the certificate in use is valid; typ is
	// "leaf" or "ca".
	CertificateExpiry(typ string, notAfter time.Time)
	// CertificateRenewed counts a planned replacement; typ as above.
	CertificateRenewed(typ string)
	// Healed counts a repair of what ("secret").
	Healed(what string)
	// WriteFailed counts a write of what ("secret") that failed for another reason
	// than a conflict.
	WriteFailed(what string)
	// WriteConflict counts a write that lost against another actor's.
	WriteConflict()
}

// NoRecorder records nothing.
type NoRecorder struct{}

func (NoRecorder) CertificateExpiry(string, time.Time) {}
func (NoRecorder) CertificateRenewed(string)           {}
func (NoRecorder) Healed(string)                       {}
func (NoRecorder) WriteFailed(string)                  {}
func (NoRecorder) WriteConflict()                      {}

// actor is what one process knows beside the Secret: the rest of an Input,
// gathered as time goes by. It does no input or output.
type actor struct {
	policy Policy
	source *CertificateSource

	memory        *State
	unusableSince time.Time
	// announcedAt is since when this actor has known announcedCA, the next CA. It is
	// used where no webhook configuration exists that could trust the CA.
	announcedAt time.Time
	announcedCA *x509.Certificate
}

func newActor(p Policy, source *CertificateSource) *actor {
	a := &actor{policy: p, source: source}
	// What the server started with is good enough to refill an empty Secret.
	if c := source.Current(); c != nil {
		a.memory = &State{Leaf: c.Leaf, Roots: c.Roots}
	}
	return a
}

// verdict is what an actor concludes from what it reads.
type verdict struct {
	input Input
	step  Step
	// want is what the caBundle must hold.
	want []*x509.Certificate
	// requeueAt is when to look again if nothing changes; zero: never.
	requeueAt time.Time
	// newLeaf is true when another leaf is served from now on.
	newLeaf bool
	// leafErr is why the Secret's leaf cannot be used.
	leafErr error
}

// tick takes in the Secret and the caBundle, serves the Secret's leaf if its time
// has come, and says what is to be done.
func (a *actor) tick(now time.Time, secret State, exists bool, trust trustView) verdict {
	var out verdict
	out.leafErr = secret.LeafError(now, a.policy.Hosts)
	if out.leafErr == nil {
		a.memory, a.unusableSince = &secret, time.Time{}
	} else if a.unusableSince.IsZero() {
		a.unusableSince = now
	}
	serve, requeueAt := shouldServe(now, secret, a.source.Current(), trust, a.policy)
	if serve {
		out.newLeaf = a.serve(secret.Certificate())
	}
	out.want = a.wanted(now, secret)
	out.input = Input{
		Now: now, Secret: secret, Exists: exists, Memory: a.memory, Live: trust.live,
		NextTrusted: a.nextTrusted(now, secret, trust), UnusableSince: a.unusableSince,
	}
	out.step = Decide(out.input, a.policy)
	out.requeueAt = earliest(requeueAt, out.step.At)
	return out
}

// serve reports whether the leaf is another one.
func (a *actor) serve(c *Certificate) bool {
	old := a.source.Current()
	if old != nil && sameLeaf(old.Leaf, c.Leaf) && bytes.Equal(pki.EncodeBundle(old.Roots), pki.EncodeBundle(c.Roots)) {
		return false
	}
	a.source.Set(c)
	return old == nil || !sameLeaf(old.Leaf, c.Leaf)
}

// wanted adds to the Secret's CAs those behind the leaf that is served here, which
// may be of an earlier or another Secret.
func (a *actor) wanted(now time.Time, secret State) []*x509.Certificate {
	var serving []*x509.Certificate
	if c := a.source.Current(); c != nil {
		serving = c.Leaf.Anchors(c.Roots, now)
	}
	return pki.Union(secret.Trusted(now), serving)
}

func (a *actor) nextTrusted(now time.Time, secret State, trust trustView) time.Time {
	if secret.Next == nil {
		a.announcedCA = nil
		return time.Time{}
	}
	next := secret.Next.Cert
	if a.announcedCA == nil || !a.announcedCA.Equal(next) {
		a.announcedAt, a.announcedCA = now, next
	}
	if trust.known {
		return trust.since(next)
	}
	return a.announcedAt
}

// writer writes what Decide wants into the Secret.
type writer struct {
	store    Store
	secret   types.NamespacedName
	policy   Policy
	log      *slog.Logger
	recorder Recorder
}

// object names the Secret in messages.
func (w *writer) object() string { return "secret " + w.secret.String() }

// write applies the verdict's step to the Secret as it was read. In an error of the
// API server there is a *kube.Error.
func (w *writer) write(ctx context.Context, secret *corev1.Secret, v verdict) error {
	state, err := Apply(v.step.Action, v.input, w.policy)
	if err != nil {
		return &applyError{action: v.step.Action, err: err}
	}
	next := secret.DeepCopy()
	next.Data = state.Data(secret.Data)
	_, err = w.store.Update(ctx, next)
	if err == nil {
		w.log.Info("certificates changed", "action", string(v.step.Action), "reason", v.step.Reason, "secret", w.secret.String())
		w.record(v.step)
		return nil
	}
	failure := &kube.Error{Verb: "update", Object: w.object(), Err: err}
	switch kube.Classify(err) {
	case kube.Conflict:
		w.recorder.WriteConflict()
		return failure
	case kube.NotFound:
		return failure
	}
	w.recorder.WriteFailed("secret")
	return fmt.Errorf("%w; %s", failure, v.step.Reason)
}

// record counts what a step was.
func (w *writer) record(step Step) {
	switch {
	case step.Action == Bootstrap || step.Action == Refill || step.Urgent:
		w.recorder.Healed("secret")
	case step.Action == RenewLeaf:
		w.recorder.CertificateRenewed("leaf")
	case step.Action == SwitchCA:
		w.recorder.CertificateRenewed("ca")
	}
}

// applyError is a step that could not be worked out, before anything was written.
type applyError struct {
	action Action
	err    error
}

func (e *applyError) Error() string { return fmt.Sprintf("cannot %s: %v", e.action, e.err) }
func (e *applyError) Unwrap() error { return e.err }

// earliest returns the earlier of two times, of which zero means never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
