package pki

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"time"
)

// ScanBundle reads the CA certificates that text holds and reports whether
// anything else was in it: other blocks, blocks that do not parse, certificates
// that are no CA, text between the blocks. It is for a bundle that somebody
// else may have written, so nothing in it is an error.
func ScanBundle(text []byte) (cas []*x509.Certificate, rubbish bool) {
	if len(text) > maxPEM {
		return nil, true
	}
	for rest := text; ; {
		var block *pem.Block
		before := rest
		block, rest = pem.Decode(rest)
		if block == nil {
			return cas, rubbish || len(bytes.TrimSpace(before)) > 0
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if block.Type != "CERTIFICATE" || err != nil || !usableRoot(cert) {
			rubbish = true
			continue
		}
		// pem.Decode skips whatever stands before the block it finds.
		if !bytes.HasPrefix(bytes.TrimSpace(before), []byte("-----BEGIN")) {
			rubbish = true
		}
		cas = append(cas, cert)
	}
}

// usableRoot also accepts a self-signed serving certificate: people put those
// into a caBundle, and verifiers accept them there.
func usableRoot(cert *x509.Certificate) bool {
	return isCA(cert) || bytes.Equal(cert.RawSubject, cert.RawIssuer)
}

// EncodeBundle writes certificates as PEM, in the given order.
func EncodeBundle(certs []*x509.Certificate) []byte {
	var out bytes.Buffer
	for _, cert := range certs {
		// Writing to a bytes.Buffer cannot fail.
		_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
	}
	return out.Bytes()
}

// Union returns the certificates of all lists, each once, newest first (by
// notBefore, then as they came).
func Union(lists ...[]*x509.Certificate) []*x509.Certificate {
	var all []*x509.Certificate
	for _, list := range lists {
		for _, cert := range list {
			if !Contains(all, cert) {
				all = append(all, cert)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b *x509.Certificate) int { return b.NotBefore.Compare(a.NotBefore) })
	return all
}

// Contains reports whether cert is in certs, byte for byte.
func Contains(certs []*x509.Certificate, cert *x509.Certificate) bool {
	return slices.ContainsFunc(certs, cert.Equal)
}

// Unexpired returns those that have not ended at now. Those that are not valid
// yet are kept: their time comes.
func Unexpired(certs []*x509.Certificate, now time.Time) []*x509.Certificate {
	var out []*x509.Certificate
	for _, cert := range certs {
		if !now.After(cert.NotAfter) {
			out = append(out, cert)
		}
	}
	return out
}
