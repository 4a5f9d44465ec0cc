package app

import (
	"crypto/x509"
	"slices"
	"testing"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/certs"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
)

func TestVerifies(t *testing.T) {
	now := time.Now()
	newCA := func(validity time.Duration) *pki.Pair {
		ca, err := pki.NewCA(pki.CARequest{Subject: pki.CASubject("ns", "certs"), Validity: validity}, now)
		must(t, err)
		return ca
	}
	ca, other := newCA(48*time.Hour), newCA(48*time.Hour)
	leaf, err := pki.IssueLeaf(ca, pki.LeafRequest{CommonName: "hook", Hosts: []string{serviceName}, Validity: time.Hour}, now)
	must(t, err)
	served := &certs.Certificate{Leaf: leaf}
	for name, tt := range map[string]struct {
		roots []*x509.Certificate
		at    time.Time
		want  bool
	}{
		"its CA":                     {[]*x509.Certificate{other.Cert, ca.Cert}, now, true},
		"another CA":                 {[]*x509.Certificate{other.Cert}, now, false},
		"nothing":                    {nil, now, false},
		"its CA, but it has expired": {[]*x509.Certificate{ca.Cert}, now.Add(2 * time.Hour), true},
	} {
		if got := verifies(tt.roots, served, tt.at); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

func TestEachTroubleIsToldOnce(t *testing.T) {
	tell := func(names ...string) func() []string { return func() []string { return names } }
	got := openTroubles([]func() []string{tell("secret-watch", "self-check"), tell(), tell("secret-watch", "cabundle-patch")})
	if want := []string{"cabundle-patch", "secret-watch", "self-check"}; !slices.Equal(got, want) {
		t.Errorf("open are %q, want %q", got, want)
	}
}
