package pki

import (
	"crypto/x509"
	"fmt"
	"time"
)

// ServingCheck says what a serving certificate must fulfil.
type ServingCheck struct {
	// Now is the moment at which the certificate must be valid.
	Now time.Time
	// Hosts must all be among the certificate's DNS names.
	Hosts []string
	// Roots are the trusted CAs.
	Roots []*x509.Certificate
}

// CheckServing returns nil when the API server would accept the pair as the
// webhook's certificate, else a *Problem. Expired roots are of no help: the
// whole chain must be valid at check.Now.
func (p *Pair) CheckServing(check ServingCheck) error {
	if err := checkValidity("serving certificate", p.Cert, check.Now); err != nil {
		return err
	}
	if !mayServe(p.Cert) {
		return &Problem{Kind: WrongUsage, Text: fmt.Sprintf("serving certificate %s may not be used for server authentication", Describe(p.Cert))}
	}
	for _, host := range check.Hosts {
		if err := p.Cert.VerifyHostname(host); err != nil {
			return &Problem{Kind: MissingName, Text: fmt.Sprintf("serving certificate %s names %q, but not %q", Describe(p.Cert), p.Cert.DNSNames, host)}
		}
	}
	opts := x509.VerifyOptions{
		Roots:         pool(check.Roots),
		Intermediates: pool(p.Chain),
		CurrentTime:   check.Now,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if _, err := p.Cert.Verify(opts); err != nil {
		return &Problem{Kind: Untrusted, Text: fmt.Sprintf("serving certificate %s does not verify against the CA bundle of %d: %v", Describe(p.Cert), len(check.Roots), err)}
	}
	return nil
}

// Anchors returns those of roots that by themselves suffice to verify the pair
// at now: the CAs behind it.
func (p *Pair) Anchors(roots []*x509.Certificate, now time.Time) []*x509.Certificate {
	var anchors []*x509.Certificate
	for _, root := range roots {
		if p.CheckServing(ServingCheck{Now: now, Roots: []*x509.Certificate{root}}) == nil {
			anchors = append(anchors, root)
		}
	}
	return anchors
}

// CheckCA returns nil when the pair can sign leaves at now, else a *Problem.
func (p *Pair) CheckCA(now time.Time) error {
	if err := checkValidity("CA certificate", p.Cert, now); err != nil {
		return err
	}
	if !isCA(p.Cert) {
		return &Problem{Kind: WrongUsage, Text: fmt.Sprintf("certificate %s is not a CA", Describe(p.Cert))}
	}
	return nil
}

// isCA reports whether cert may sign certificates.
func isCA(cert *x509.Certificate) bool {
	return cert.BasicConstraintsValid && cert.IsCA &&
		(cert.KeyUsage == 0 || cert.KeyUsage&x509.KeyUsageCertSign != 0)
}

func checkValidity(what string, cert *x509.Certificate, now time.Time) error {
	switch {
	case now.Before(cert.NotBefore):
		return &Problem{Kind: NotYetValid, Text: fmt.Sprintf("%s %s is valid only from %s, but it is %s: the clock here or where it was made is wrong",
			what, Describe(cert), stamp(cert.NotBefore), stamp(now))}
	case now.After(cert.NotAfter):
		return &Problem{Kind: Expired, Text: fmt.Sprintf("%s %s expired at %s", what, Describe(cert), stamp(cert.NotAfter))}
	}
	return nil
}

func mayServe(cert *x509.Certificate) bool {
	if len(cert.ExtKeyUsage) == 0 && len(cert.UnknownExtKeyUsage) == 0 {
		return true // no restriction, RFC 5280 section 4.2.1.12
	}
	for _, usage := range cert.ExtKeyUsage {
		if usage == x509.ExtKeyUsageServerAuth || usage == x509.ExtKeyUsageAny {
			return true
		}
	}
	return false
}

func pool(certs []*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, cert := range certs {
		p.AddCert(cert)
	}
	return p
}
