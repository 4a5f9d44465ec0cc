package clientauth

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/rungroup"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
)

func TestCallers(t *testing.T) {
	now := time.Now()
	newCA := func(name string) *pki.Pair {
		ca, err := pki.NewCA(pki.CARequest{Subject: pki.Subject{CommonName: name}, Validity: time.Hour}, now)
		if err != nil {
			t.Fatal(err)
		}
		return ca
	}
	listed, other := newCA("listed"), newCA("other")
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, listed.CertPEM, 0o600); err != nil {
		t.Fatal(err)
	}
	group := rungroup.New(t.Context())
	callers, err := Start(group, Options{File: file, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := group.Stop(); err != nil {
			t.Error(err)
		}
	}()
	for name, c := range map[string]struct {
		cert *x509.Certificate
		want bool
	}{
		"of a CA in the file": {listed.Cert, true},
		"of another CA":       {other.Cert, false},
		"its own":             {callers.OwnCertificate().Leaf, true},
	} {
		_, err := c.cert.Verify(x509.VerifyOptions{Roots: callers.Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
		if (err == nil) != c.want {
			t.Errorf("a certificate %s: %v", name, err)
		}
	}
}

func TestStartNeedsCAs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		file:           "--clientCAFile " + file + ": no PEM block in it",
		file + ".none": "--clientCAFile: open " + file + ".none: no such file",
	} {
		group := rungroup.New(t.Context())
		_, err := Start(group, Options{File: path, Log: slog.New(slog.DiscardHandler)})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
		if err := group.Stop(); err != nil {
			t.Errorf("a part was left in the group: %v", err)
		}
	}
}

func TestNames(t *testing.T) {
	certificate := func(common string, dns ...string) tls.ConnectionState {
		return tls.ConnectionState{PeerCertificates: []*x509.Certificate{{Subject: pkix.Name{CommonName: common}, DNSNames: dns, Raw: []byte(common)}}}
	}
	own, err := newOwnCertificate(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var refused []string
	named := &Callers{names: []string{"api-server", "proxy.mesh"}, own: own, refused: func(names string) { refused = append(refused, names) }}
	anybody := &Callers{own: own}
	for _, tt := range []struct {
		name  string
		state tls.ConnectionState
		want  bool
	}{
		{"common name", certificate("api-server"), true},
		{"DNS name", certificate("x", "y", "proxy.mesh"), true},
		{"another", certificate("mallory", "api-server.evil"), false},
		{"none", certificate(""), false},
		{"long", certificate(strings.Repeat("é", 1000)), false},
		{"its own", tls.ConnectionState{PeerCertificates: []*x509.Certificate{own.Leaf}}, true},
	} {
		if err := named.Verify(tt.state); (err == nil) != tt.want {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err := anybody.Verify(tt.state); err != nil {
			t.Errorf("%s, where no names are given: %v", tt.name, err)
		}
	}
	if len(refused) != 3 || refused[0] != `["mallory" "api-server.evil"]` || len(refused[2]) > maxNames {
		t.Errorf("told of %.300q", refused)
	}
}
