package certs

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
)

// readyGrace is how long a server that was ready stays so while the caBundle does
// not fit. A wiped caBundle is mended within milliseconds; taking every replica
// out of the Service meanwhile, to come back after the next probe, would turn
// these milliseconds into seconds of failed admissions.
const readyGrace = 3 * time.Second

// explainer is what a CABundle may offer besides: why Live holds less than hoped.
type explainer interface{ Explain() error }

// Readiness checks whether the API server would accept what is served.
type Readiness struct {
	source *CertificateSource
	bundle CABundle // nil: nobody here knows the caBundle
	hosts  []string
	clock  clock.PassiveClock

	mu   sync.Mutex
	good time.Time // when it was last without fault
}

// NewReadiness returns a check of source against the live caBundle. Without hosts,
// for certificates that others make, the names are not looked at.
func NewReadiness(source *CertificateSource, bundle CABundle, hosts []string, c clock.PassiveClock) *Readiness {
	return &Readiness{source: source, bundle: bundle, hosts: hosts, clock: c}
}

// Check returns nil when the served certificate is valid now and verifies against
// the caBundle that is live in the cluster, or did so less than readyGrace ago;
// else why not. Where no webhook configuration calls, or the caBundle is not
// followed, the certificate must verify against its own CAs.
func (r *Readiness) Check() error {
	now := r.clock.Now()
	err := r.check(now)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.good = now
		return nil
	}
	if !r.good.IsZero() && now.Sub(r.good) < readyGrace {
		return nil
	}
	return err
}

func (r *Readiness) check(now time.Time) error {
	served := r.source.Current()
	if served == nil {
		return errors.New("no serving certificate yet")
	}
	roots := served.Roots
	if r.bundle != nil {
		if live, known := r.bundle.Live(); known {
			roots = live
		}
	}
	err := served.Leaf.CheckServing(pki.ServingCheck{Now: now, Hosts: r.hosts, Roots: roots})
	if ex, ok := r.bundle.(explainer); ok && pki.KindOf(err) == pki.Untrusted {
		if why := ex.Explain(); why != nil {
			return why
		}
		return fmt.Errorf("the caBundle in the cluster does not fit: %w", err)
	}
	return err
}
