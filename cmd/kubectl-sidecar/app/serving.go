package app

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/certs"
)

// keyNext holds the CA to come, while a CA is being changed.
const keyNext = "next-ca-cert.pem"

// The phases of a rotation.
const (
	phaseSteady   = "steady"
	phaseAnnounce = "the CA is being changed: the next one is announced"
	phasePrune    = "the CA has been changed: the old one is still trusted"
)

// servingHealth is what can be told of a serving certificate.
type servingHealth struct {
	NotAfter   time.Time `json:"notAfter"`
	DaysLeft   int       `json:"daysLeft"`
	CANotAfter time.Time `json:"caNotAfter"`
	CADaysLeft int       `json:"caDaysLeft"`
	Phase      string    `json:"phase"`

	leaf *x509.Certificate
	rest *x509.CertPool
	bad  error
}

func readServing(data map[string][]byte, now time.Time) *servingHealth {
	s := &servingHealth{Phase: phaseSteady, rest: x509.NewCertPool()}
	chain, err := parsePEM(data[certs.KeyChain])
	if err != nil {
		s.bad = fmt.Errorf("%s: %w", certs.KeyChain, err)
		return s
	}
	s.leaf, s.NotAfter = chain[0], chain[0].NotAfter
	s.DaysLeft = days(s.NotAfter.Sub(now))
	for _, c := range chain[1:] {
		s.rest.AddCert(c)
	}
	roots, err := parsePEM(data[certs.KeyRoots])
	if err != nil {
		s.bad = fmt.Errorf("%s: %w", certs.KeyRoots, err)
		return s
	}
	live := 0
	for _, r := range roots {
		if r.NotAfter.After(now) {
			live++
		}
	}
	s.CANotAfter = roots[0].NotAfter // the newest comes first
	s.CADaysLeft = days(s.CANotAfter.Sub(now))
	switch {
	case len(data[keyNext]) > 0:
		s.Phase = phaseAnnounce
	case live > 1:
		s.Phase = phasePrune
	}
	return s
}

// days counts whole days, so that none is promised that is not there.
func days(d time.Duration) int { return int(d.Hours() / 24) }

// parsePEM reads at least one certificate.
func parsePEM(text []byte) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, errors.New("holds no certificate")
	}
	return all, nil
}

func (s *servingHealth) problems(now time.Time) []string {
	var all []string
	if s.bad != nil {
		all = append(all, s.bad.Error())
	}
	if s.leaf != nil && now.After(s.NotAfter) {
		all = append(all, "the serving certificate has expired")
	}
	return all
}

// trusts checks that an API server would trust the serving certificate, or, when
// that is not known, that it would trust anything at all.
func trusts(c admissionv1.WebhookClientConfig, s *servingHealth, now time.Time) error {
	roots, err := parsePEM(c.CABundle)
	if err != nil {
		return err
	}
	if s == nil || s.leaf == nil {
		return nil
	}
	pool := x509.NewCertPool()
	for _, r := range roots {
		pool.AddCert(r)
	}
	_, err = s.leaf.Verify(x509.VerifyOptions{
		Roots: pool, Intermediates: s.rest, CurrentTime: now,
		DNSName:   c.Service.Name + "." + c.Service.Namespace + ".svc",
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		return fmt.Errorf("does not match the serving certificate: %w", err)
	}
	return nil
}
