package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
)

// Certificate is a serving certificate with the CAs that verify it. It is not changed
// after it is made.
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
	b := &Certificate{Leaf: leaf}
	if caPath != "" {
		if b.Roots, err = pki.ParseCerts(caPEM); err != nil {
			return nil, fmt.Errorf("CA certificate %s: %w", caPath, err)
		}
	}
	return b, nil
}

func readFile(what, path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		// os errors name operation and path already.
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("%s: %s is larger than %d bytes", what, path, maxFile)
	}
	return text, nil
}

// CertificateSource holds the bundle that is served. The zero CertificateSource holds none. It is safe
// for concurrent use: a handshake costs one atomic load.
type CertificateSource struct{ current atomic.Pointer[held] }

type held struct {
	bundle *Certificate
	cert   *tls.Certificate
}

// Set serves b from now on.
func (h *CertificateSource) Set(b *Certificate) {
	h.current.Store(&held{bundle: b, cert: b.Leaf.TLS()})
}

// Current returns what is served, or nil.
func (h *CertificateSource) Current() *Certificate {
	if c := h.current.Load(); c != nil {
		return c.bundle
	}
	return nil
}

// GetCertificate is for tls.Config. Any server name is answered: the API server
// also calls by address when the webhook is configured with a URL.
func (h *CertificateSource) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c := h.current.Load(); c != nil {
		return c.cert, nil
	}
	return nil, errors.New("no serving certificate yet")
}
