package certs

import (
	"crypto/x509"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
)

// CABundle is the cluster's caBundle as seen from here, and the wish what it should
// hold. Implementations are safe for concurrent use.
type CABundle interface {
	// Want names the CAs that the caBundle must hold from now on.
	Want(cas []*x509.Certificate)
	// Live returns the CAs that every webhook entry in the cluster holds. known is
	// false when there is no webhook configuration, so that nobody calls, and as
	// long as it has not been read.
	Live() (cas []*x509.Certificate, known bool)
	// Since is when Live began to hold cert without a gap; zero when it does not.
	Since(cert *x509.Certificate) time.Time
	// Changed receives after Live may have changed. It has one receiver.
	Changed() <-chan struct{}
}

// view is a CABundle at one moment, or the absence of one.
type view struct {
	live  []*x509.Certificate
	known bool
	since func(*x509.Certificate) time.Time
}

func look(t CABundle) view {
	if t == nil {
		return view{}
	}
	live, known := t.Live()
	return view{live: live, known: known, since: t.Since}
}

// adopt decides whether the leaf of a Secret is served from now on instead of
// what is served, and, if not, when to ask again (zero: when something changes).
//
//	the secret's leaf            the served leaf        -> adopt
//	no good                      any                    no
//	good                         none, or no good       yes
//	good, caBundle unknown       good                   yes
//	good, caBundle lacks its CA  good                   no
//	good, caBundle has its CA    caBundle lacks its CA  yes
//	good, of the same CA         good                   yes
//	good, CA trusted long enough good                   yes
//	good, CA trusted of late     good                   later
func adopt(now time.Time, secret State, served *Certificate, v view, p Policy) (yes bool, again time.Time) {
	if secret.LeafError(now, p.Hosts) != nil {
		return false, time.Time{}
	}
	if served == nil || sameLeaf(served.Leaf, secret.Leaf) {
		return true, time.Time{}
	}
	if served.Leaf.CheckServing(pki.ServingCheck{Now: now, Hosts: p.Hosts, Roots: pki.Union(served.Roots, v.live)}) != nil {
		return true, time.Time{}
	}
	if !v.known {
		return true, time.Time{}
	}
	expiry := served.Leaf.Cert.NotAfter.Add(time.Second)
	coming := secret.Leaf.Anchors(v.live, now)
	if len(coming) == 0 {
		return false, expiry
	}
	present := served.Leaf.Anchors(v.live, now)
	if len(present) == 0 {
		return true, time.Time{}
	}
	for _, ca := range coming {
		if pki.Contains(present, ca) {
			return true, time.Time{}
		}
		ripe := v.since(ca).Add(p.TrustPropagation)
		if !now.Before(ripe) {
			return true, time.Time{}
		}
		if ripe.Before(expiry) {
			expiry = ripe
		}
	}
	return false, expiry
}
