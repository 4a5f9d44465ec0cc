//go:build integration

package heal

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/ptr"

	"github.com/sidecar-injector/istio-sidecar-injector/cmd/cert-bootstrap/app"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/certs"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
)

// shop is a namespace of its own for cert-bootstrap.
type shop struct {
	*testing.T
	namespace string
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{T: t, namespace: "shop-" + strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name()))}
	if err := cluster.Namespace(t.Context(), s.namespace, nil); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *shop) secret() *corev1.Secret {
	s.Helper()
	secret, err := cluster.Client.CoreV1().Secrets(s.namespace).Get(s.Context(), "certs", metav1.GetOptions{})
	if err != nil {
		s.Fatal(err)
	}
	return secret
}

func (s *shop) createSecret(data map[string][]byte) {
	s.Helper()
	_, err := cluster.Client.CoreV1().Secrets(s.namespace).Create(s.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "certs"}, Data: data}, metav1.CreateOptions{})
	if err != nil {
		s.Fatal(err)
	}
}

// createWebhook makes a configuration that is named like the namespace.
func (s *shop) createWebhook() {
	s.Helper()
	api := cluster.Client.AdmissionregistrationV1().MutatingWebhookConfigurations()
	_, err := api.Create(s.Context(), &admissionv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: s.namespace},
		Webhooks: []admissionv1.MutatingWebhook{{
			Name: "sidecar-injector.istio.io", AdmissionReviewVersions: []string{"v1"}, SideEffects: ptr.To(admissionv1.SideEffectClassNone),
			ClientConfig: admissionv1.WebhookClientConfig{Service: &admissionv1.ServiceReference{Namespace: s.namespace, Name: "injector"}},
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = api.Delete(context.Background(), s.namespace, metav1.DeleteOptions{}) })
}

func (s *shop) bundle() []byte {
	s.Helper()
	c, err := cluster.Client.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(s.Context(), s.namespace, metav1.GetOptions{})
	if err != nil {
		s.Fatal(err)
	}
	return c.Webhooks[0].ClientConfig.CABundle
}

type result struct {
	code        int
	out, errors string
	dir         string
}

func (s *shop) run(args ...string) result {
	s.Helper()
	var out, errors bytes.Buffer
	dir := filepath.Join(s.TempDir(), "out")
	all := append([]string{
		"--kubeconfig", cluster.Kubeconfig, "--namespace", s.namespace, "--secret", "certs", "--service", "injector",
		"--webhookConfigName", s.namespace, "--out", dir, "--timeout", "20s",
	}, args...)
	code := app.Run(s.Context(), all, nil, nil, &out, &errors)
	return result{code, out.String(), errors.String(), dir}
}

// good asserts that the files hold the certificate of the Secret.
func (s *shop) good(r result) {
	s.Helper()
	if r.code != 0 {
		s.Fatalf("exit status %d: %s", r.code, r.errors)
	}
	b, err := certs.LoadFiles(filepath.Join(r.dir, certs.KeyChain), filepath.Join(r.dir, certs.KeyPrivate), filepath.Join(r.dir, certs.KeyRoots))
	if err != nil {
		s.Fatal(err)
	}
	if err := b.Leaf.CheckServing(pki.ServingCheck{Now: time.Now(), Hosts: pki.ServiceHosts("injector", s.namespace, ""), Roots: b.Roots}); err != nil {
		s.Error(err)
	}
	if !bytes.Equal(b.Leaf.CertPEM, s.secret().Data[certs.KeyChain]) {
		s.Error("the files hold another certificate than the secret")
	}
	for _, name := range []string{certs.KeyChain, certs.KeyPrivate, certs.KeyRoots} {
		info, err := os.Stat(filepath.Join(r.dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			s.Errorf("%s: mode %v, %v", name, info.Mode(), err)
		}
	}
	if entries, err := os.ReadDir(r.dir); err != nil || len(entries) != 3 {
		s.Errorf("%d files in the directory, %v", len(entries), err)
	}
}

func (s *shop) fails(r result, sentence string) {
	s.Helper()
	last := strings.TrimSpace(r.errors[strings.LastIndex(strings.TrimSpace(r.errors), "\n")+1:])
	if r.code != 1 || !strings.HasPrefix(last, "cert-bootstrap: ") || !strings.Contains(last, sentence) {
		s.Errorf("exit status %d, last line %q, want 1 and %q", r.code, last, sentence)
	}
	if _, err := os.Stat(filepath.Join(r.dir, certs.KeyPrivate)); err == nil {
		s.Error("failed, but wrote files")
	}
}

func TestBootstrapFirstAndAgain(t *testing.T) {
	s := newShop(t)
	s.createSecret(nil)
	s.good(s.run()) // no webhook configuration yet: it does not wait
	first := s.secret()
	s.createWebhook()
	s.good(s.run())
	if !bytes.Equal(s.bundle(), first.Data[certs.KeyRoots]) {
		t.Errorf("caBundle %q", s.bundle())
	}
	if s.secret().ResourceVersion != first.ResourceVersion {
		t.Error("a good secret was written again")
	}
	s.good(s.run("--mode", "wait"))
}

func TestBootstrapTogether(t *testing.T) {
	s := newShop(t)
	s.createSecret(nil)
	s.createWebhook()
	results := make(chan result, 4)
	for range cap(results) {
		go func() { results <- s.run() }()
	}
	for range cap(results) {
		s.good(<-results)
	}
	if cas, rubbish := pki.ScanBundle(s.bundle()); len(cas) != 1 || rubbish {
		t.Errorf("caBundle of %d CAs, rubbish %v", len(cas), rubbish)
	}
}

func TestBootstrapWaitsForTheSecret(t *testing.T) {
	s := newShop(t)
	s.fails(s.run("--timeout", "1s"), "gave up after 1s: secret "+s.namespace+"/certs does not exist, and only the chart may create it")
	done := make(chan result, 1)
	go func() { done <- s.run() }()
	s.createSecret(map[string][]byte{"note": []byte("mine")})
	s.good(<-done)
	if string(s.secret().Data["note"]) != "mine" {
		t.Error("a key of somebody else was dropped")
	}
}

func TestBootstrapWaitMode(t *testing.T) {
	s := newShop(t)
	s.createSecret(nil)
	s.fails(s.run("--mode", "wait", "--timeout", "1s"), "holds no usable certificate: the secret is empty; another process must write it")
	if len(s.secret().Data) != 0 {
		t.Error("wait wrote the secret")
	}
	done := make(chan result, 1)
	go func() { done <- s.run("--mode", "wait") }()
	s.good(s.run())
	s.good(<-done)
}

// What a renewal job must do in one run: announce, wait, switch.
func TestBootstrapRenewMode(t *testing.T) {
	s := newShop(t)
	s.createSecret(nil)
	s.createWebhook()
	short := []string{"--caValidity", "20s", "--certValidity", "10s", "--trustPropagation", "2s"}
	s.good(s.run(short...))
	old := s.secret().Data[certs.KeyCA]
	due := certs.ParseState(s.secret().Data).CA.Cert.NotAfter.Add(-20 * time.Second / 3)
	time.Sleep(time.Until(due) + 100*time.Millisecond) // the date itself is the condition
	begin := time.Now()
	s.good(s.run(append(short, "--mode", "renew")...))
	if took := time.Since(begin); took < 2*time.Second {
		t.Errorf("a CA change took %s, less than the propagation", took)
	}
	state := certs.ParseState(s.secret().Data)
	if state.Next != nil || bytes.Equal(state.CA.CertPEM, old) || len(state.Roots) != 2 {
		t.Errorf("next %v, %d roots, CA changed %v", state.Next, len(state.Roots), !bytes.Equal(state.CA.CertPEM, old))
	}
	if cas, _ := pki.ScanBundle(s.bundle()); len(cas) != 2 {
		t.Errorf("caBundle of %d CAs", len(cas))
	}
}

func TestBootstrapPrint(t *testing.T) {
	s := newShop(t)
	s.createSecret(nil)
	s.createWebhook()
	r := s.run("--print")
	for _, want := range []string{"would write secret " + s.namespace + "/certs: bootstrap: the secret is empty", "would set caBundle of webhook configuration " + s.namespace, "would write " + r.dir, "injector." + s.namespace + ".svc"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("%q lacks %q", r.out, want)
		}
	}
	if _, err := os.Stat(r.dir); r.code != 0 || err == nil || len(s.secret().Data) != 0 || len(s.bundle()) != 0 {
		t.Errorf("exit status %d, directory %v, secret %d keys, caBundle %d bytes", r.code, err, len(s.secret().Data), len(s.bundle()))
	}
	s.good(s.run())
	if r := s.run("--print"); !strings.Contains(r.out, "nothing to change in the cluster") {
		t.Errorf("got %q", r.out)
	}
}

func TestBootstrapWithoutRights(t *testing.T) {
	s := newShop(t)
	s.createSecret(nil)
	config, err := clientcmd.LoadFromFile(cluster.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range config.AuthInfos {
		user.Impersonate = "system:serviceaccount:" + s.namespace + ":nobody"
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		t.Fatal(err)
	}
	s.fails(s.run("--kubeconfig", path, "--timeout", "1s"), "not allowed to get secret "+s.namespace+"/certs: grant the service account this verb on this name")
}
