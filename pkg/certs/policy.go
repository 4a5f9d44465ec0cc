package certs

import (
	"errors"
	"fmt"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
)

// The defaults of Policy.
const (
	DefaultCAValidity       = 8760 * time.Hour
	DefaultCertValidity     = 720 * time.Hour
	DefaultTrustPropagation = time.Minute
)

// renewalShare is the part of a validity that is left when renewal is due, as
// 1/n: at two thirds of its life a certificate is renewed, which leaves a third
// for whatever keeps that from working.
const renewalShare = 3

// Policy says which certificates are wanted.
type Policy struct {
	// Hosts are the DNS names that the serving certificate must carry.
	Hosts []string
	// CommonName of the serving certificate, for people.
	CommonName string
	// CA names the authority; the same name on a certificate in a caBundle marks
	// it as one of ours, of any age.
	CA pki.Subject

	// Validities count from the moment of issue.
	CAValidity, CertValidity time.Duration
	// A certificate is renewed when it is this close to its end.
	CARenewBefore, RenewBefore time.Duration
	// TrustPropagation is how long a new CA must have been in the caBundle before
	// a certificate of it is served.
	TrustPropagation time.Duration
	// RefillGrace is how long an actor that finds the Secret unusable leaves it to
	// a running replica to write back what it still serves, when the caBundle shows
	// that there may be one.
	RefillGrace time.Duration
	// ReadOnly keeps this actor from writing the Secret at all.
	ReadOnly bool
}

// Complete fills what is zero with its default.
func (p Policy) Complete() Policy {
	fill := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	fill(&p.CAValidity, DefaultCAValidity)
	fill(&p.CertValidity, DefaultCertValidity)
	fill(&p.CARenewBefore, p.CAValidity/renewalShare)
	fill(&p.RenewBefore, p.CertValidity/renewalShare)
	// A live replica answers a watch event within milliseconds, spread by its
	// jitter; three seconds also cover a loaded node and a slow API server.
	fill(&p.RefillGrace, 3*time.Second)
	return p
}

// Validate reports everything that cannot work, with the names of the flags. The
// policy must be complete.
func (p Policy) Validate() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(p.Hosts) == 0 {
		fail("no DNS name for the serving certificate: give --service and --namespace")
	}
	if p.CertValidity < pki.MinValidity {
		fail("--certValidity %s is too short, at least %s is needed", p.CertValidity, pki.MinValidity)
	}
	if p.CAValidity < p.CertValidity {
		fail("--caValidity %s is shorter than --certValidity %s: a certificate cannot outlive its CA", p.CAValidity, p.CertValidity)
	}
	// Renewing earlier than at half of the life gains little and never ends.
	if p.RenewBefore < 0 || p.RenewBefore > p.CertValidity/2 {
		fail("--renewBefore %s must be positive and at most half of --certValidity %s", p.RenewBefore, p.CertValidity)
	}
	if p.CARenewBefore < 0 || p.CARenewBefore > p.CAValidity/2 {
		fail("--caRenewBefore %s must be positive and at most half of --caValidity %s", p.CARenewBefore, p.CAValidity)
	}
	if p.TrustPropagation < 0 {
		fail("--trustPropagation %s must not be negative", p.TrustPropagation)
	}
	if p.TrustPropagation >= p.CARenewBefore {
		fail("--trustPropagation %s must be less than the time in which a CA is replaced, %s (a third of --caValidity, or --caRenewBefore)",
			p.TrustPropagation, p.CARenewBefore)
	}
	return errors.Join(errs...)
}
