package certs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
)

func TestLoadFiles(t *testing.T) {
	a, b := fresh(t, shortPolicy(), 0), fresh(t, shortPolicy(), 0)
	dir := t.TempDir()
	put := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cert, key, ca := put("cert.pem", a.Leaf.CertPEM), put("key.pem", a.Leaf.KeyPEM), put("ca.pem", pki.EncodeBundle(a.Roots))
	otherKey, junk, big := put("other.pem", b.Leaf.KeyPEM), put("junk.pem", []byte("junk")), put("big.pem", make([]byte, maxFile+1))
	missing := filepath.Join(dir, "missing.pem")

	tests := map[string]struct {
		cert, key, ca string
		want          []string
	}{
		"good":           {cert, key, ca, nil},
		"no CA wanted":   {cert, key, "", nil},
		"key of another": {cert, otherKey, ca, []string{"certificate " + cert + " does not match key " + otherKey}},
		"all missing":    {missing, missing, missing, []string{"certificate: open", "private key: open", "CA certificate: open", "no such file"}},
		"junk":           {junk, key, ca, []string{"certificate " + junk, "no PEM block"}},
		"junk CA":        {cert, key, junk, []string{"CA certificate " + junk, "no PEM block"}},
		"key as CA":      {cert, key, key, []string{`PEM block 1 is "EC PRIVATE KEY"`}},
		"too big":        {big, key, ca, []string{"is larger than 1048576 bytes"}},
		"a directory":    {dir, key, ca, []string{dir}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := LoadFiles(tt.cert, tt.key, tt.ca)
			if len(tt.want) == 0 {
				if err != nil || !sameLeaf(got.Leaf, a.Leaf) || (tt.ca != "") != (len(got.Roots) == 1) {
					t.Fatalf("%v, %v", got, err)
				}
				return
			}
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q lacks %q", err, want)
				}
			}
		})
	}
}

func TestHolder(t *testing.T) {
	var h CertificateSource
	if _, err := h.GetCertificate(nil); err == nil || h.Current() != nil {
		t.Error("an empty holder serves something")
	}
	s := fresh(t, shortPolicy(), 0)
	h.Set(s.Certificate())
	got, err := h.GetCertificate(nil)
	if err != nil || !got.Leaf.Equal(s.Leaf.Cert) {
		t.Errorf("got %v, %v", got, err)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = h.GetCertificate(nil) }); n != 0 {
		t.Errorf("%v allocations per handshake", n)
	}
}
