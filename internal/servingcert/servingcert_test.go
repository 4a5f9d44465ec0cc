package servingcert

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
		if err != nil {
			t.Fatal(err)
		}
		return ca
	}
	ca, other := newCA(48*time.Hour), newCA(48*time.Hour)
	leaf, err := pki.IssueLeaf(ca, pki.LeafRequest{CommonName: "hook", Hosts: []string{"hook.ns.svc"}, Validity: time.Hour}, now)
	if err != nil {
		t.Fatal(err)
	}
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

func TestCertificateNames(t *testing.T) {
	now := time.Now()
	ca, err := pki.NewCA(pki.CARequest{Subject: pki.CASubject("ns", "certs"), Validity: time.Hour}, now)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := pki.IssueLeaf(ca, pki.LeafRequest{CommonName: "hook", Hosts: []string{"hook.ns.svc"}, Validity: time.Minute}, now)
	if err != nil {
		t.Fatal(err)
	}
	files := &certs.Certificate{Leaf: leaf}
	for name, tt := range map[string]struct {
		service string
		files   *certs.Certificate
		host    string
		common  string
	}{
		"a flag":              {"svc", files, "svc.ns.svc", "svc"},
		"the files' names":    {"", files, "hook.ns.svc", "hook"},
		"the classic chart's": {"", nil, "istio-sidecar-injector.ns.svc", "istio-sidecar-injector"},
	} {
		hosts, common := certificateNames(Options{Service: tt.service, ClusterDomain: "cluster.local"}, "ns", tt.files)
		if !slices.Contains(hosts, tt.host) || common != tt.common {
			t.Errorf("%s: %q and %q, want %s and %s", name, hosts, common, tt.host, tt.common)
		}
	}
}
