package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/bounded"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
)

// Certificate is a serving certificate with the CAs that verify it. It is not
// changed after it is made.
type Certificate struct {
	Leaf *pki.Pair
	// Roots are the CAs, newest first; empty when they are not known.
	Roots []*x509.Certificate
}

// maxFile bounds each certificate file, in bytes: what a Secret can hold.
const maxFile = 1 << 20

// LoadFiles reads a serving certificate, its key and the CAs from PEM files. An
// error names the file and what is wrong with it; validity is not looked at,
// because a server that waits for a better certificate may start with an old
// one. An empty caPath means: no CAs known.
func LoadFiles(certPath, keyPath, caPath string) (*Certificate, error) {
	certPEM, certErr := readFile("certificate", certPath)
	keyPEM, keyErr := readFile("private key", keyPath)
	var caPEM []byte
	var caErr error
	if caPath != "" {
		caPEM, caErr = readFile("CA certificate", caPath)
	}
	if err := errors.Join(certErr, keyErr, caErr); err != nil {
		return nil, err
	}
	leaf, err := pki.ParsePair(certPEM, keyPEM)
	switch {
	case pki.KindOf(err) == pki.KeyMismatch:
		return nil, fmt.Errorf("certificate %s does not match key %s: %w", certPath, keyPath, err)
	case err != nil:
		return nil, fmt.Errorf("certificate %s with key %s: %w", certPath, keyPath, err)
	}
	c := &Certificate{Leaf: leaf}
	if caPath != "" {
		if c.Roots, err = pki.ParseCerts(caPEM); err != nil {
			return nil, fmt.Errorf("CA certificate %s: %w", caPath, err)
		}
	}
	return c, nil
}

func readFile(what, path string) ([]byte, error) {
	text, err := bounded.ReadFile(path, maxFile)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err) // which names the path
	}
	return text, nil
}

// CertificateSource is where a TLS server gets the certificate that it serves.
// The zero CertificateSource has none. It is safe for concurrent use: a handshake
// costs one atomic load.
type CertificateSource struct{ current atomic.Pointer[served] }

// served is a Certificate, and the same in the form that crypto/tls takes.
type served struct {
	certificate *Certificate
	tls         *tls.Certificate
}

// Set serves c from now on.
func (s *CertificateSource) Set(c *Certificate) {
	s.current.Store(&served{certificate: c, tls: c.Leaf.TLS()})
}

// Current returns what is served, or nil.
func (s *CertificateSource) Current() *Certificate {
	if c := s.current.Load(); c != nil {
		return c.certificate
	}
	return nil
}

// GetCertificate is for tls.Config. Any server name is answered: the API server
// also calls by address when the webhook is configured with a URL.
func (s *CertificateSource) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c := s.current.Load(); c != nil {
		return c.tls, nil
	}
	return nil, errors.New("no serving certificate yet")
}

// CABundle is the caBundle in the cluster as this process sees it, and takes what
// it should hold. Implementations are safe for concurrent use.
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

// trustView is a CABundle at one moment; the zero value is that of a process that
// has none.
type trustView struct {
	live  []*x509.Certificate
	known bool
	since func(*x509.Certificate) time.Time
}

func viewOf(b CABundle) trustView {
	if b == nil {
		return trustView{}
	}
	live, known := b.Live()
	return trustView{live: live, known: known, since: b.Since}
}

// shouldServe reports whether the leaf of a Secret is to be served from now on
// instead of what is served, and, if not, when to ask again (zero: when something
// changes).
//
//	the secret's leaf            the served leaf        -> serve it
//	no good                      any                    no
//	good                         none, or no good       yes
//	good, caBundle unknown       good                   yes
//	good, caBundle lacks its CA  good                   no
//	good, caBundle has its CA    caBundle lacks its CA  yes
//	good, of the same CA         good                   yes
//	good, CA trusted long enough good                   yes
//	good, CA trusted too short   good                   later
func shouldServe(now time.Time, secret State, served *Certificate, v trustView, p Policy) (yes bool, requeueAt time.Time) {
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
		trusted := v.since(ca).Add(p.TrustPropagation)
		if !now.Before(trusted) {
			return true, time.Time{}
		}
		if trusted.Before(expiry) {
			expiry = trusted
		}
	}
	return false, expiry
}
