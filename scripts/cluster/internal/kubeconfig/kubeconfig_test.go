package kubeconfig

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	for _, f := range []string{"ca.crt", "admin.crt", "admin.key"} {
		if err := os.WriteFile(filepath.Join(dir, f), []byte(f), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "kubeconfig")
	if err := Write(path, "demo", "https://10.213.0.2:6443", dir, "admin"); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got file
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if c := got.Clusters[0]; c.Name != "demo" || c.Cluster.Server != "https://10.213.0.2:6443" || string(c.Cluster.CA) != "ca.crt" {
		t.Errorf("cluster is %+v", c)
	}
	if u := got.Users[0]; string(u.User.Cert) != "admin.crt" || string(u.User.Key) != "admin.key" {
		t.Errorf("user is %+v", u)
	}
	if got.CurrentContext != got.Contexts[0].Name {
		t.Errorf("current context is %q, want %q", got.CurrentContext, got.Contexts[0].Name)
	}
}

func TestMissingCertificate(t *testing.T) {
	if err := Write(filepath.Join(t.TempDir(), "k"), "demo", "s", t.TempDir(), "admin"); err == nil || !strings.Contains(err.Error(), "ca.crt") {
		t.Errorf("error is %v, want one that names ca.crt", err)
	}
}
