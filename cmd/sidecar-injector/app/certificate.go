package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/certs"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
)

// certificateFiles loads the serving certificate for a reload.Loop. A renewed
// one that callers could not accept does not replace one that they do.
func certificateFiles(o *options, holder *certs.CertificateSource, now func() time.Time) func(string) (*certs.Certificate, string, error) {
	return func(string) (*certs.Certificate, string, error) {
		b, err := certs.LoadFiles(o.tlsCertFile, o.tlsKeyFile, o.caCertFile)
		if err != nil {
			return nil, "", err
		}
		if old := holder.Current(); old != nil && usable(old, now()) == nil {
			if err := usable(b, now()); err != nil {
				return nil, "", fmt.Errorf("%s with %s: %w", o.tlsCertFile, o.caCertFile, err)
			}
		}
		return b, bundleHash(b), nil
	}
}

// usable says whether callers that trust the bundle's CAs accept its leaf.
func usable(b *certs.Certificate, at time.Time) error {
	return b.Leaf.CheckServing(pki.ServingCheck{Now: at, Roots: b.Roots})
}

// bundleHash tells bundles apart. The key needs no part in it: it belongs to the
// leaf.
func bundleHash(b *certs.Certificate) string {
	h := sha256.New()
	h.Write(b.Leaf.CertPEM)
	for _, r := range b.Roots {
		h.Write(r.Raw)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// trust is what the server's own client believes in: the CAs beside the
// certificate that is served, and that certificate's own name.
func trust(holder *certs.CertificateSource) func() (*x509.CertPool, string, error) {
	return func() (*x509.CertPool, string, error) {
		b := holder.Current()
		if b == nil {
			return nil, "", errors.New("no serving certificate yet")
		}
		pool := x509.NewCertPool()
		for _, r := range b.Roots {
			pool.AddCert(r)
		}
		switch cert := b.Leaf.Cert; {
		case len(cert.DNSNames) > 0:
			return pool, cert.DNSNames[0], nil
		case len(cert.IPAddresses) > 0:
			return pool, cert.IPAddresses[0].String(), nil
		default:
			return nil, "", fmt.Errorf("serving certificate %s has no subject alternative name: no caller can accept it", pki.Describe(cert))
		}
	}
}

// clientCAs loads the CAs of callers for a reload.Loop.
func clientCAs(path string) func(string) ([]*x509.Certificate, string, error) {
	return func(string) ([]*x509.Certificate, string, error) {
		text, err := readLimited(path, maxConfigFile)
		if err != nil {
			return nil, "", fmt.Errorf("--clientCAFile: %w", err)
		}
		list, err := pki.ParseCerts(text)
		if err != nil {
			return nil, "", fmt.Errorf("--clientCAFile %s: %w", path, err)
		}
		sum := sha256.Sum256(text)
		return list, hex.EncodeToString(sum[:]), nil
	}
}

// ownClient makes the certificate by which the server's own client shows itself
// where callers must show one. It exists in this process's memory alone and
// signs itself, so trusting it means trusting this process.
func ownClient(now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "sidecar-injector self check"},
		NotBefore:    now.Add(-time.Hour),
		// As long as the process can live; there is nobody to renew it for.
		NotAfter:              now.AddDate(100, 0, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}
