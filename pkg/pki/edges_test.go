package pki

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"
)

func TestAnchorsAreTheCAsBehindALeaf(t *testing.T) {
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	ours, other := mustCA(t, time.Hour, at), mustCA(t, time.Hour, at)
	leaf := mustLeaf(t, ours, time.Minute, at)
	anchors := leaf.Anchors([]*x509.Certificate{other.Cert, ours.Cert}, at)
	if len(anchors) != 1 || !anchors[0].Equal(ours.Cert) {
		t.Errorf("%d anchors, want the one CA that signed", len(anchors))
	}
}

// Without the extension, RFC 5280 (section 4.2.1.3) restricts nothing.
func TestKeyUsageOfACA(t *testing.T) {
	for usage, want := range map[x509.KeyUsage]bool{
		0:                             true,
		x509.KeyUsageCertSign:         true,
		x509.KeyUsageDigitalSignature: false,
		x509.KeyUsageCertSign | x509.KeyUsageCRLSign: true,
	} {
		cert := &x509.Certificate{BasicConstraintsValid: true, IsCA: true, KeyUsage: usage}
		if got := isCA(cert); got != want {
			t.Errorf("key usage %b: a CA %v, want %v", usage, got, want)
		}
	}
}

func TestExtendedKeyUsageOfAServer(t *testing.T) {
	for name, tc := range map[string]struct {
		cert x509.Certificate
		want bool
	}{
		"no restriction":     {x509.Certificate{}, true},
		"server":             {x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}}, true},
		"any":                {x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}, true},
		"client":             {x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, false},
		"one nobody knows":   {x509.Certificate{UnknownExtKeyUsage: []asn1.ObjectIdentifier{{1, 2, 3}}}, false},
		"client and unknown": {x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, UnknownExtKeyUsage: []asn1.ObjectIdentifier{{1, 2, 3}}}, false},
	} {
		if got := mayServe(&tc.cert); got != tc.want {
			t.Errorf("%s: may serve %v, want %v", name, got, tc.want)
		}
	}
}

func TestASubjectIsTheWholeName(t *testing.T) {
	plain := Subject{CommonName: "ca"}
	full := Subject{CommonName: "ca", Organization: "ns", OrganizationalUnit: "secret"}
	for name, tc := range map[string]struct {
		subject Subject
		have    pkix.Name
		want    bool
	}{
		"the same":                {full, pkix.Name{CommonName: "ca", Organization: []string{"ns"}, OrganizationalUnit: []string{"secret"}}, true},
		"another organization":    {full, pkix.Name{CommonName: "ca", Organization: []string{"other"}, OrganizationalUnit: []string{"secret"}}, false},
		"two organizations":       {full, pkix.Name{CommonName: "ca", Organization: []string{"ns", "ns"}, OrganizationalUnit: []string{"secret"}}, false},
		"no unit":                 {full, pkix.Name{CommonName: "ca", Organization: []string{"ns"}}, false},
		"a common name alone":     {plain, pkix.Name{CommonName: "ca"}, true},
		"more than a common name": {plain, pkix.Name{CommonName: "ca", Organization: []string{"ns"}}, false},
		"another common name":     {plain, pkix.Name{CommonName: "other"}, false},
	} {
		if got := tc.subject.Is(&x509.Certificate{Subject: tc.have}); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

func TestALargestBundleIsRead(t *testing.T) {
	text := EncodeBundle([]*x509.Certificate{mustCA(t, time.Hour, time.Now()).Cert})
	for size, want := range map[int]int{maxPEM: 1, maxPEM + 1: 0} {
		padded := append(bytes.Clone(text), bytes.Repeat([]byte("\n"), size-len(text))...)
		if cas, rubbish := ScanBundle(padded); len(cas) != want || rubbish != (want == 0) {
			t.Errorf("%d bytes: %d CAs, rubbish %v", size, len(cas), rubbish)
		}
	}
}

func TestALargestPairIsRead(t *testing.T) {
	pair := mustLeaf(t, mustCA(t, time.Hour, now), time.Minute, now)
	certs, key := pair.CertPEM, pair.KeyPEM
	fill := func(text []byte, size int) []byte {
		return append(bytes.Clone(text), bytes.Repeat([]byte("\n"), size-len(text))...)
	}
	for size, want := range map[int]bool{maxPEM: true, maxPEM + 1: false} {
		if _, err := ParsePair(fill(certs, size), key); (err == nil) != want {
			t.Errorf("certificates of %d bytes: %v", size, err)
		}
		if _, err := ParsePair(certs, fill(key, size)); (err == nil) != want {
			t.Errorf("a key of %d bytes: %v", size, err)
		}
	}
}

func TestCertificatesAreCountedInErrors(t *testing.T) {
	text := append(EncodeBundle([]*x509.Certificate{mustCA(t, time.Hour, now).Cert}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})...)
	if _, err := ParseCerts(text); err == nil || !strings.HasPrefix(err.Error(), "PEM block 2: ") {
		t.Errorf("got %v, want an error about block 2", err)
	}
}

func TestCertificatesInSentences(t *testing.T) {
	for serial, want := range map[int64]string{
		0x12:               `"ca" (serial 12)`,
		0x12345678:         `"ca" (serial 12345678)`,
		0x123456789abcdef0: `"ca" (serial 12345678)`,
	} {
		if got := Describe(&x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "ca"}}); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
