package pki

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// maxPEM bounds what is parsed, in bytes: a Secret holds at most 1 MiB.
const maxPEM = 1 << 20

// Pair is a certificate and its private key, as PEM and parsed. A Pair is not
// changed after it is made.
type Pair struct {
	// CertPEM may hold intermediates behind the certificate itself.
	CertPEM, KeyPEM []byte
	// Cert is the first certificate of CertPEM.
	Cert *x509.Certificate
	// Chain are the certificates behind the first.
	Chain []*x509.Certificate
	Key   crypto.Signer
}

// ParsePair reads a certificate (with its chain, if any) and its key. It is an
// error if they do not belong together; validity and trust are not looked at.
// No error carries any part of the key.
func ParsePair(certPEM, keyPEM []byte) (*Pair, error) {
	certs, err := ParseCerts(certPEM)
	if err != nil {
		return nil, &Problem{Kind: Malformed, Text: "certificate: " + err.Error()}
	}
	key, err := parseKey(keyPEM)
	if err != nil {
		return nil, &Problem{Kind: Malformed, Text: "private key: " + err.Error()}
	}
	pub, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !pub.Equal(certs[0].PublicKey) {
		return nil, &Problem{Kind: KeyMismatch, Text: "private key does not belong to certificate " + Describe(certs[0])}
	}
	return &Pair{CertPEM: certPEM, KeyPEM: keyPEM, Cert: certs[0], Chain: certs[1:], Key: key}, nil
}

// TLS is the pair as a TLS server wants it.
func (p *Pair) TLS() *tls.Certificate {
	c := &tls.Certificate{Certificate: [][]byte{p.Cert.Raw}, PrivateKey: p.Key, Leaf: p.Cert}
	for _, cert := range p.Chain {
		c.Certificate = append(c.Certificate, cert.Raw)
	}
	return c
}

// ParseCerts reads PEM text that must hold one certificate or more and no other
// block. Text between the blocks is ignored, as RFC 7468 allows.
func ParseCerts(text []byte) ([]*x509.Certificate, error) {
	if len(text) > maxPEM {
		return nil, fmt.Errorf("%d bytes of PEM, at most %d are read", len(text), maxPEM)
	}
	var certs []*x509.Certificate
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("PEM block %d is %q, want %q", len(certs)+1, block.Type, "CERTIFICATE")
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("PEM block %d: %w", len(certs)+1, err)
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		return nil, errors.New("no PEM block in it")
	}
	return certs, nil
}

// parseKey reads a PKCS#8, SEC 1 or PKCS#1 key. The parsers' errors tell of
// structure only, but they are replaced all the same: nothing that was read
// from a key may end in a log.
func parseKey(text []byte) (crypto.Signer, error) {
	if len(text) > maxPEM {
		return nil, fmt.Errorf("%d bytes of PEM, at most %d are read", len(text), maxPEM)
	}
	var block *pem.Block
	for rest := text; ; {
		if block, rest = pem.Decode(rest); block == nil {
			return nil, errors.New("no PEM block of a private key in it")
		}
		// openssl puts the curve's parameters before the key.
		if block.Type != "EC PARAMETERS" {
			break
		}
	}
	var key any
	var err error
	switch block.Type {
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("PEM block is %q, want \"EC PRIVATE KEY\", \"RSA PRIVATE KEY\" or \"PRIVATE KEY\" (not encrypted)", block.Type)
	}
	signer, ok := key.(crypto.Signer)
	if err != nil || !ok {
		return nil, fmt.Errorf("the %q block cannot be read", block.Type)
	}
	return signer, nil
}
