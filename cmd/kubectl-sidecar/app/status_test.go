package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/certs"
)

// authority makes certificates for the tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T, now time.Time, validity time.Duration) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{key: key}
	a.cert, a.pem = a.sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "ca " + now.String()}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(validity),
	}, nil)
	return a
}

func (a *authority) leaf(t *testing.T, now time.Time, validity time.Duration, name string) []byte {
	t.Helper()
	_, text := a.sign(t, &x509.Certificate{
		DNSNames: []string{name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(validity),
	}, a.cert)
	return text
}

func (a *authority) sign(t *testing.T, c, parent *x509.Certificate) (*x509.Certificate, []byte) {
	t.Helper()
	c.SerialNumber = big.NewInt(1)
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestServing(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	ca, other := newAuthority(t, now, 365*day), newAuthority(t, now, 100*day)
	expired := newAuthority(t, now, -time.Minute)
	leaf := ca.leaf(t, now, 30*day-time.Minute, "svc.ns.svc")
	client := func(bundle ...[]byte) admissionv1.WebhookClientConfig {
		var all []byte
		for _, b := range bundle {
			all = append(all, b...)
		}
		return admissionv1.WebhookClientConfig{CABundle: all, Service: &admissionv1.ServiceReference{Name: "svc", Namespace: "ns"}}
	}
	for _, tc := range []struct {
		name       string
		data       map[string][]byte
		client     admissionv1.WebhookClientConfig
		leaf, ca   int
		phase      string
		trustsNot  string
		hasProblem string
	}{
		{"steady", map[string][]byte{certs.KeyChain: leaf, certs.KeyRoots: ca.pem}, client(ca.pem), 29, 365, phaseSteady, "", ""},
		{"old CA expired", map[string][]byte{certs.KeyChain: leaf, certs.KeyRoots: append(ca.pem[:len(ca.pem):len(ca.pem)], expired.pem...)}, client(ca.pem), 29, 365, phaseSteady, "", ""},
		{"announced", map[string][]byte{certs.KeyChain: leaf, certs.KeyRoots: ca.pem, keyNext: other.pem}, client(other.pem, ca.pem), 29, 365, phaseAnnounce, "", ""},
		{"changed", map[string][]byte{certs.KeyChain: leaf, certs.KeyRoots: append(ca.pem[:len(ca.pem):len(ca.pem)], other.pem...)}, client(ca.pem, other.pem), 29, 365, phasePrune, "", ""},
		{"empty caBundle", map[string][]byte{certs.KeyChain: leaf, certs.KeyRoots: ca.pem}, client(), 29, 365, phaseSteady, "holds no certificate", ""},
		{"other caBundle", map[string][]byte{certs.KeyChain: leaf, certs.KeyRoots: ca.pem}, client(other.pem), 29, 365, phaseSteady, "does not match the serving certificate", ""},
		{"other name", map[string][]byte{certs.KeyChain: ca.leaf(t, now, day, "elsewhere"), certs.KeyRoots: ca.pem}, client(ca.pem), 1, 365, phaseSteady, "elsewhere", ""},
		{"expired", map[string][]byte{certs.KeyChain: ca.leaf(t, now, -time.Minute, "svc.ns.svc"), certs.KeyRoots: ca.pem}, client(ca.pem), 0, 365, phaseSteady, "expired", "has expired"},
		{"empty secret", nil, client(ca.pem), 0, 0, phaseSteady, "", "cert-chain.pem: holds no certificate"},
		{"no roots", map[string][]byte{certs.KeyChain: leaf}, client(ca.pem), 29, 0, phaseSteady, "", "root-cert.pem: holds no certificate"},
		{"rubbish", map[string][]byte{certs.KeyChain: []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")}, client(ca.pem), 0, 0, phaseSteady, "", "cert-chain.pem: x509"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := readServing(tc.data, now)
			if s.DaysLeft != tc.leaf || s.CADaysLeft != tc.ca || s.Phase != tc.phase {
				t.Errorf("%d days, CA %d days, %s", s.DaysLeft, s.CADaysLeft, s.Phase)
			}
			problems := strings.Join(s.problems(now), "; ")
			if (tc.hasProblem == "") != (problems == "") || !strings.Contains(problems, tc.hasProblem) {
				t.Errorf("problems %q", problems)
			}
			err := trusts(tc.client, s, now)
			if (err == nil) != (tc.trustsNot == "") || err != nil && !strings.Contains(err.Error(), tc.trustsNot) {
				t.Errorf("trust: %v", err)
			}
		})
	}
}

func TestStatusOfAnEmptySecretHasNoDates(t *testing.T) {
	h := &health{Serving: readServing(nil, time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))}
	var out strings.Builder
	if err := h.print(&out); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, "certificate  none\n") || strings.Contains(got, "left") || strings.Contains(got, "rotation") {
		t.Errorf("printed\n%s", got)
	}
}
