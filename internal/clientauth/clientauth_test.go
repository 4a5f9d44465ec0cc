package clientauth

import (
	"crypto/x509"
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
