package pki

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestCreate(t *testing.T) {
	dir, now := t.TempDir(), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	leaf := Leaf{
		Authority: Cluster, Name: "server", CommonName: "server", Organization: []string{"o"},
		Addresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"server.local"}, Usages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if err := Create(dir, []Leaf{leaf}, now); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "server.crt"), filepath.Join(dir, "server.key"))
	if err != nil {
		t.Fatal(err)
	}
	verify := func(authority, name string, at time.Time) error {
		pem, err := os.ReadFile(filepath.Join(dir, authority+".crt"))
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		_, err = pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: at})
		return err
	}
	for _, name := range []string{"127.0.0.1", "server.local"} {
		if err := verify(Cluster, name, now); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if verify(Etcd, "127.0.0.1", now) == nil {
		t.Error("another authority vouches for the certificate")
	}
	if verify(Cluster, "other.local", now) == nil {
		t.Error("the certificate is good for another name")
	}
	if verify(Cluster, "127.0.0.1", now.Add(lifetime+time.Hour)) == nil {
		t.Error("the certificate never ends")
	}
	for _, key := range []string{"ca.key", "server.key", "sa.key"} {
		if info, err := os.Stat(filepath.Join(dir, key)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v, want it for its owner only", key, info.Mode(), err)
		}
	}
}

func TestUnknownAuthority(t *testing.T) {
	err := Create(t.TempDir(), []Leaf{{Authority: "nobody", Name: "n"}}, time.Now())
	if err == nil || !strings.Contains(err.Error(), `certificate "n": unknown authority "nobody"`) {
		t.Errorf("error is %v, want one that names the certificate and the authority", err)
	}
}
