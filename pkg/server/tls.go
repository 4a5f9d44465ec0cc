package server

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
)

// TLSConfig returns the configuration of a server that asks getCertificate for
// its certificate at each handshake, and, when clientCAs is not nil, demands a
// client certificate that verifies against the pool that clientCAs returns at
// that time.
//
// TLS 1.2 is the lowest version, with forward secrecy and authenticated
// encryption only. TLS 1.3's suites are fixed by the standard.
func TLSConfig(getCertificate func(*tls.ClientHelloInfo) (*tls.Certificate, error), clientCAs func() *x509.CertPool) *tls.Config {
	base := &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: getCertificate,
		NextProtos:     []string{"http/1.1"},
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
			tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
	}
	if clientCAs == nil {
		return base
	}
	base.ClientAuth = tls.RequireAndVerifyClientCert
	// A resumed session would skip a look at the pool as it is now.
	base.SessionTicketsDisabled = true
	base.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		pool := clientCAs()
		if pool == nil {
			// A nil pool means the system's roots to crypto/tls: anybody's.
			return nil, errors.New("no client certificate authorities loaded")
		}
		c := base.Clone()
		c.GetConfigForClient = nil
		c.ClientCAs = pool
		return c, nil
	}
	return base
}
