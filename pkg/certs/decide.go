package certs

import (
	"crypto/x509"
	"fmt"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
)

// Action is one step of the certificates' life. All but Wait write the Secret.
type Action string

// The actions.
const (
	// Wait: nothing to do until Step.At, or until something changes.
	Wait Action = "wait"
	// Bootstrap makes a CA and a leaf.
	Bootstrap Action = "bootstrap"
	// Refill writes back what this actor still has in memory.
	Refill Action = "refill"
	// RenewLeaf signs a new leaf with the CA that is there.
	RenewLeaf Action = "renew-certificate"
	// AnnounceCA makes the next CA: phase 1.
	AnnounceCA Action = "announce-ca"
	// SwitchCA makes the next CA the current one, with a leaf of it: phase 3.
	SwitchCA Action = "switch-ca"
	// PruneCA drops CAs that no valid leaf needs: phase 4.
	PruneCA Action = "prune-ca"
)

// Input is all that Decide and Apply look at.
type Input struct {
	Now time.Time
	// Secret is what the Secret says; Exists is false when there is none, and
	// nothing can be written.
	Secret State
	Exists bool
	// Memory is the last good state that this actor has seen, or nil.
	Memory *State
	// Live are the CAs that the cluster's caBundle holds now.
	Live []*x509.Certificate
	// NextTrusted is since when the caBundle has held the next CA without a gap;
	// zero when it does not, or when there is no next CA.
	NextTrusted time.Time
	// UnusableSince is since when this actor has seen the Secret without a usable
	// certificate; zero when it is usable.
	UnusableSince time.Time
}

// Step is what Decide wants done.
type Step struct {
	Action Action
	// Reason is why, as a sentence.
	Reason string
	// Urgent steps heal; the others are planned and may wait a little, so that
	// actors do not all act at once.
	Urgent bool
	// At is when to decide again if nothing changes; zero: never by itself.
	At time.Time
}

// LeafError says what is wrong with a state's leaf at a moment; nil when it can
// be served.
func (s State) LeafError(now time.Time, hosts []string) error {
	if s.Leaf == nil {
		return s.LeafErr
	}
	return s.Leaf.CheckServing(pki.ServingCheck{Now: now, Hosts: hosts, Roots: s.Roots})
}

// caError says why a state's CA cannot sign.
func (s State) caError(now time.Time) error {
	if s.CA == nil {
		return s.CAErr
	}
	return s.CA.CheckCA(now)
}

// nextUsable reports whether the next CA can take over: it can sign, and lasts
// longer than the CA that is there, if that one can sign.
func (s State) nextUsable(now time.Time) bool {
	return s.Next != nil && s.Next.CheckCA(now) == nil &&
		(s.caError(now) != nil || s.Next.Cert.NotAfter.After(s.CA.Cert.NotAfter))
}

// Decide says what is to be done next. It has no memory and no side effect.
//
//	leaf     CA                next            -> action
//	no good  can sign          any             RenewLeaf
//	no good  cannot            usable          SwitchCA
//	no good  cannot            no, but memory  Refill
//	no good  cannot            no              Bootstrap, after RefillGrace if somebody may refill
//	good     any               trusted         SwitchCA
//	due      can sign, longer  any             RenewLeaf
//	good     due or cannot     no              AnnounceCA
//	good     good              no              PruneCA when an old CA is not needed any more
func Decide(in Input, p Policy) Step {
	if p.ReadOnly || !in.Exists {
		return Step{Action: Wait, Reason: "this actor does not write the secret", At: nextChange(in, p)}
	}
	if err := in.Secret.LeafError(in.Now, p.Hosts); err != nil {
		return heal(in, p, err)
	}
	for _, rule := range []func(Input, Policy) (Step, bool){switchDue, leafDue, caDue, pruneDue} {
		if step, ok := rule(in, p); ok {
			return step
		}
	}
	return Step{Action: Wait, Reason: "the certificates are good", At: nextChange(in, p)}
}

func heal(in Input, p Policy, leafErr error) Step {
	s := in.Secret
	urgent := func(a Action, why string) Step {
		return Step{Action: a, Urgent: true, Reason: fmt.Sprintf("%s; %s", leafErr, why)}
	}
	switch {
	case s.caError(in.Now) == nil:
		return urgent(RenewLeaf, "the CA in the secret signs a new one")
	case s.nextUsable(in.Now):
		return urgent(SwitchCA, "the next CA takes over early")
	case in.Memory != nil && in.Memory.LeafError(in.Now, p.Hosts) == nil:
		return urgent(Refill, "the one in memory is good and is written back")
	}
	if grace := in.UnusableSince.Add(p.RefillGrace); len(ownLive(in, p)) > 0 && !in.UnusableSince.IsZero() && in.Now.Before(grace) {
		return Step{Action: Wait, Reason: fmt.Sprintf("%s; the caBundle still trusts a CA of ours, so a running replica may write its certificate back", leafErr), At: grace}
	}
	return urgent(Bootstrap, "a new CA is made")
}

func switchDue(in Input, p Policy) (Step, bool) {
	if !in.Secret.nextUsable(in.Now) || in.NextTrusted.IsZero() {
		return Step{}, false
	}
	if in.Now.Before(in.NextTrusted.Add(p.TrustPropagation)) {
		return Step{}, false
	}
	return Step{Action: SwitchCA, Reason: fmt.Sprintf("the caBundle has held the next CA for %s", p.TrustPropagation)}, true
}

// leafDue also asks what a renewal would gain: near the end of its CA a new leaf
// ends when the old one does, and renewing it over and over would help nobody.
func leafDue(in Input, p Policy) (Step, bool) {
	leaf := in.Secret.Leaf.Cert
	if in.Now.Before(leaf.NotAfter.Add(-p.RenewBefore)) || in.Secret.caError(in.Now) != nil {
		return Step{}, false
	}
	if pki.LeafExpiry(in.Secret.CA.Cert, p.CertValidity, in.Now).Sub(leaf.NotAfter) < p.RenewBefore/2 {
		return Step{}, false
	}
	return Step{Action: RenewLeaf, Reason: "serving certificate ends at " + leaf.NotAfter.UTC().Format(time.RFC3339)}, true
}

func caDue(in Input, p Policy) (Step, bool) {
	s := in.Secret
	if s.nextUsable(in.Now) {
		return Step{}, false
	}
	if err := s.caError(in.Now); err != nil {
		return Step{Action: AnnounceCA, Reason: fmt.Sprintf("the CA cannot sign: %s", err)}, true
	}
	if in.Now.Before(s.CA.Cert.NotAfter.Add(-p.CARenewBefore)) {
		return Step{}, false
	}
	return Step{Action: AnnounceCA, Reason: "CA ends at " + s.CA.Cert.NotAfter.UTC().Format(time.RFC3339)}, true
}

func pruneDue(in Input, p Policy) (Step, bool) {
	if len(keptRoots(in, p)) == len(in.Secret.Roots) {
		return Step{}, false
	}
	return Step{Action: PruneCA, Reason: "no valid certificate needs the earlier CA any more"}, true
}

// keptRoots are the roots without those that are expired, and without our earlier
// CAs once their last leaf has expired. Roots of others stay.
func keptRoots(in Input, p Policy) []*x509.Certificate {
	s := in.Secret
	oldGone := !s.OldUntil.IsZero() && in.Now.After(s.OldUntil)
	var kept []*x509.Certificate
	for _, root := range pki.Unexpired(s.Roots, in.Now) {
		current := s.CA == nil || s.CA.Cert.Equal(root)
		if current || !oldGone || !p.CA.Is(root) {
			kept = append(kept, root)
		}
	}
	return kept
}

// ownLive are CAs of ours in the caBundle that may still have a running server.
func ownLive(in Input, p Policy) []*x509.Certificate {
	var own []*x509.Certificate
	for _, cert := range pki.Unexpired(in.Live, in.Now) {
		if p.CA.Is(cert) {
			own = append(own, cert)
		}
	}
	return own
}

// nextChange is the earliest moment after now at which Decide may say something
// else though nothing was written.
func nextChange(in Input, p Policy) time.Time {
	s := in.Secret
	var next time.Time
	consider := func(at time.Time) {
		if at.After(in.Now) && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	if s.Leaf != nil {
		consider(s.Leaf.Cert.NotBefore)
		consider(s.Leaf.Cert.NotAfter.Add(-p.RenewBefore))
		// X.509 counts whole seconds and the last one is still valid.
		consider(s.Leaf.Cert.NotAfter.Add(time.Second))
	}
	if s.CA != nil {
		consider(s.CA.Cert.NotAfter.Add(-p.CARenewBefore))
	}
	if !in.NextTrusted.IsZero() {
		consider(in.NextTrusted.Add(p.TrustPropagation))
	}
	for _, root := range s.Roots {
		consider(root.NotAfter.Add(time.Second))
	}
	if len(s.Roots) > 1 && !s.OldUntil.IsZero() {
		consider(s.OldUntil.Add(time.Second))
	}
	return next
}
