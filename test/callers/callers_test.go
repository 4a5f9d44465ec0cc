//go:build integration

// Package callers proves that a server which authenticates its callers answers the
// API server, which presents the certificate that its admission configuration
// names, and nobody else.
package callers

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/lab"
	"github.com/sidecar-injector/istio-sidecar-injector/test/replicas"
)

const (
	timeout = 3 * time.Minute
	// apiServer is the name in the certificate that the API server presents.
	apiServer = "kube-apiserver"
	pods      = 50
)

// configuration writes what the API server needs to present a certificate to the
// injector's Service, as docs/authenticated-callers.md has it, and returns the path of
// the admission configuration.
func configuration(t *testing.T, dir, cert, key string) string {
	t.Helper()
	kubeconfig := filepath.Join(dir, "webhooks.kubeconfig")
	admission := filepath.Join(dir, "admission.yaml")
	for path, text := range map[string]string{
		kubeconfig: fmt.Sprintf(`apiVersion: v1
kind: Config
users:
- name: %s.%s.svc
  user:
    client-certificate: %s
    client-key: %s
`, replicas.Service, replicas.Namespace, cert, key),
		admission: fmt.Sprintf(`apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- name: MutatingAdmissionWebhook
  configuration:
    apiVersion: apiserver.config.k8s.io/v1
    kind: WebhookAdmissionConfiguration
    kubeConfigFile: %s
`, kubeconfig),
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return admission
}

func TestOnlyTheAPIServerIsAnswered(t *testing.T) {
	if os.Getenv(lab.KubeconfigEnv) != "" {
		t.Skip("needs an API server that starts with an admission configuration of its own")
	}
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	dir := t.TempDir()
	clients := newAuthority(t, "webhook clients")
	caFile := write(t, dir, "ca.crt", "CERTIFICATE", clients.cert.Raw)
	own := clients.issue(t, apiServer, nil)
	cert, key := writePair(t, dir, "kube-apiserver", own)

	cluster, host := lab.ControlPlaneFor(ctx, t, "callers", "--apiserver-arg=--admission-control-config-file="+configuration(t, dir, cert, key))
	site, err := replicas.Install(ctx, cluster, host, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	server := start(ctx, t, site, "named", "--clientCAFile="+caFile, "--clientNames=somebody,"+apiServer)

	if err := site.Admits(ctx); err != nil {
		t.Fatal(err)
	}
	failed := 0
	for range pods {
		if err := site.TryPod(ctx); err != nil {
			failed++
			t.Error(err)
		}
	}
	calls, answered := others(t, server.Address, clients, own)
	lab.Figure(t, fmt.Sprintf("callers: pods through the API server %d, failed %d; calls of others %d, answered %d", pods, failed, calls, answered))

	// The same certificate, and a server that wants another name.
	server.Kill()
	if err := server.Withdraw(ctx); err != nil {
		t.Fatal(err)
	}
	refusing := start(ctx, t, site, "other-name", "--clientCAFile="+caFile, "--clientNames=somebody")
	refused(ctx, t, site, refusing)
}

func start(ctx context.Context, t *testing.T, site *replicas.Site, name string, flags ...string) *replicas.Replica {
	t.Helper()
	site.ServerFlags = flags
	r, err := site.Start(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Kill)
	return r
}

// refused waits until pods are refused because of the name: before that, the API
// server may not have seen that the endpoint is another.
func refused(ctx context.Context, t *testing.T, site *replicas.Site, server *replicas.Replica) {
	t.Helper()
	for {
		err := site.TryPod(ctx)
		if err == nil {
			t.Fatal("a pod is let in, though the API server's certificate has no name that is let in")
		}
		// The alert that ends a TLS handshake.
		if strings.Contains(err.Error(), "failed calling webhook") && strings.Contains(err.Error(), "tls: bad certificate") {
			break
		}
		select {
		case <-ctx.Done():
			t.Fatalf("pods are not refused for the certificate: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
	// It is logged beside the refusal, not before it.
	for !strings.Contains(server.Log(), apiServer) {
		select {
		case <-ctx.Done():
			t.Fatalf("the log does not name the certificate that was refused:\n%s", replicas.Tail(server.Log(), 20))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// others calls the server with certificates that are not to be let in, and with
// the right one to see that the calls are right. It returns how many calls of the
// former there were, and to how many of them there was any answer.
func others(t *testing.T, address string, clients *authority, right tls.Certificate) (calls, answered int) {
	t.Helper()
	if status, body, err := call(t, address, &right); err != nil || status != http.StatusOK || !strings.Contains(body, "AdmissionReview") {
		t.Errorf("with the API server's certificate: status %d, %s, %v", status, body, err)
	}
	foreign := newAuthority(t, "webhook clients")
	for name, cert := range map[string]*tls.Certificate{
		"no certificate":                        nil,
		"the name, of another CA":               new(foreign.issue(t, apiServer, nil)),
		"the CA, with another name":             new(clients.issue(t, "kubelet", nil)),
		"the CA, with a name that holds it":     new(clients.issue(t, apiServer+".example.com", nil)),
		"the CA, without a name":                new(clients.issue(t, "", nil)),
		"the CA and the name, expired":          new(clients.issue(t, apiServer, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })),
		"the CA and the name, not yet valid":    new(clients.issue(t, apiServer, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) })),
		"the CA and the name, for servers only": new(clients.issue(t, apiServer, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })),
	} {
		calls++
		if status, body, err := call(t, address, cert); err == nil {
			answered++
			t.Errorf("%s: answered with status %d and %q", name, status, body)
		}
	}
	return calls, answered
}

// call sends a review as an API server does, and returns the answer. Serving
// certificates are the API server's business, not this test's.
func call(t *testing.T, address string, cert *tls.Certificate) (status int, body string, err error) {
	t.Helper()
	config := &tls.Config{InsecureSkipVerify: true}
	if cert != nil {
		// Presented whatever CAs the server says that it wants.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
	}
	transport := &http.Transport{TLSClientConfig: config}
	defer transport.CloseIdleConnections()
	const review = `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","kind":{"version":"v1","kind":"Pod"},` +
		`"resource":{"version":"v1","resource":"pods"},"namespace":"load","operation":"CREATE",` +
		`"object":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{"containers":[{"name":"app","image":"a"}]}}}}`
	client := http.Client{Transport: transport, Timeout: 10 * time.Second}
	resp, err := client.Post("https://"+address+"/inject", "application/json", bytes.NewReader([]byte(review)))
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, string(text), err
}
