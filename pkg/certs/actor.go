package certs

import (
	"bytes"
	"crypto/x509"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
)

// actor is what one process knows: the rest of an Input, gathered as time goes
// by. It does no input or output.
type actor struct {
	policy Policy
	holder *CertificateSource

	memory        *State
	unusableSince time.Time
	// announced is since when this actor has known of the next CA; it stands in
	// for the caBundle's testimony where there is no webhook configuration.
	announced   time.Time
	announcedCA *x509.Certificate
}

func newActor(p Policy, h *CertificateSource) *actor {
	a := &actor{policy: p, holder: h}
	// What the server started with is good enough to refill an empty Secret.
	if b := h.Current(); b != nil {
		a.memory = &State{Leaf: b.Leaf, Roots: b.Roots}
	}
	return a
}

// verdict is what an actor makes of what it sees.
type verdict struct {
	input Input
	step  Step
	// want is what the caBundle must hold.
	want []*x509.Certificate
	// again is when to look again if nothing changes; zero: never.
	again time.Time
	// served is true when the holder got another leaf.
	served bool
	// leafErr is why the secret's leaf cannot be used.
	leafErr error
}

// look takes in the Secret and the caBundle, serves the Secret's leaf if its time
// has come, and says what is to be done.
func (a *actor) look(now time.Time, secret State, exists bool, v view) verdict {
	var out verdict
	out.leafErr = secret.LeafError(now, a.policy.Hosts)
	if out.leafErr == nil {
		a.memory, a.unusableSince = &secret, time.Time{}
	} else if a.unusableSince.IsZero() {
		a.unusableSince = now
	}
	adopted, again := adopt(now, secret, a.holder.Current(), v, a.policy)
	if adopted {
		out.served = a.serve(secret.Certificate())
	}
	out.want = a.wanted(now, secret)
	out.input = Input{
		Now: now, Secret: secret, Exists: exists, Memory: a.memory, Live: v.live,
		NextTrusted: a.nextTrusted(now, secret, v), UnusableSince: a.unusableSince,
	}
	out.step = Decide(out.input, a.policy)
	out.again = earliest(again, out.step.At)
	return out
}

// serve reports whether the leaf is another one.
func (a *actor) serve(b *Certificate) bool {
	old := a.holder.Current()
	if old != nil && sameLeaf(old.Leaf, b.Leaf) && bytes.Equal(pki.EncodeBundle(old.Roots), pki.EncodeBundle(b.Roots)) {
		return false
	}
	a.holder.Set(b)
	return old == nil || !sameLeaf(old.Leaf, b.Leaf)
}

// wanted adds to the Secret's CAs those behind the leaf that is served here, which
// may be of an earlier or another Secret.
func (a *actor) wanted(now time.Time, secret State) []*x509.Certificate {
	var serving []*x509.Certificate
	if b := a.holder.Current(); b != nil {
		serving = b.Leaf.Anchors(b.Roots, now)
	}
	return pki.Union(secret.Trusted(now), serving)
}

func (a *actor) nextTrusted(now time.Time, secret State, v view) time.Time {
	if secret.Next == nil {
		a.announcedCA = nil
		return time.Time{}
	}
	next := secret.Next.Cert
	if a.announcedCA == nil || !a.announcedCA.Equal(next) {
		a.announced, a.announcedCA = now, next
	}
	if v.known {
		return v.since(next)
	}
	return a.announced
}

// earliest returns the earlier of two times, of which zero means never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
