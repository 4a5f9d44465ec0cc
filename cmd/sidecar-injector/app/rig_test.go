package app

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// serviceName is what the test certificates are made for.
const serviceName = "istio-sidecar-injector.test.svc"

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !cond(); {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(2 * time.Millisecond) // between looks, not instead of them
	}
}

// output collects what a program writes while it runs.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// authority signs certificates for tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: fmt.Sprint("CA ", time.Now().UnixNano())},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	return &authority{cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

func (a *authority) issue(t *testing.T, name string, until time.Time) (certPEM, keyPEM []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		// Integration tests are called by address.
		DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	must(t, err)
	raw, err := x509.MarshalECPrivateKey(key)
	must(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: raw})
}

// site is a folder laid out as the pod's volumes are: each volume is a folder
// whose files are links into ..data, as kubelet makes them.
type site struct {
	t        *testing.T
	dir      string
	versions int
	ca       *authority
}

const (
	goodConfig = `policy: enabled
defaultTemplates: [sidecar]
templates:
  sidecar: |
    metadata:
      labels:
        marked: "{{ .Values.mark }}"
    spec:
      containers:
      - name: sidecar
        image: example.com/sidecar:1
`
	goodValues = `{"mark": "one"}`
	goodMesh   = "rootNamespace: istio-system\n"
)

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), ca: newAuthority(t)}
	s.publish("inject", map[string]string{"config": goodConfig, "values": goodValues})
	s.publish("mesh", map[string]string{"mesh": goodMesh})
	cert, key := s.ca.issue(t, serviceName, time.Now().Add(time.Hour))
	s.publishCerts(cert, key, s.ca.pem)
	return s
}

// publish replaces a volume's files all at once.
func (s *site) publish(volume string, files map[string]string) {
	s.t.Helper()
	s.versions++
	dir := filepath.Join(s.dir, volume)
	version := fmt.Sprintf("..version_%d", s.versions)
	must(s.t, os.MkdirAll(filepath.Join(dir, version), 0o755))
	for name, text := range files {
		must(s.t, os.WriteFile(filepath.Join(dir, version, name), []byte(text), 0o600))
	}
	must(s.t, os.Symlink(version, filepath.Join(dir, "..data_tmp")))
	must(s.t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	for name := range files {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)); err != nil && !os.IsExist(err) {
			s.t.Fatal(err)
		}
	}
}

func (s *site) publishCerts(cert, key, ca []byte) {
	s.t.Helper()
	s.publish("certs", map[string]string{"cert-chain.pem": string(cert), "key.pem": string(key), "root-cert.pem": string(ca)})
}

func (s *site) path(elem ...string) string { return filepath.Join(append([]string{s.dir}, elem...)...) }

// args are the flags for a server of this site that needs no API server, and
// what is to be added.
func (s *site) args(more ...string) []string {
	return append([]string{
		"--injectConfig=" + s.path("inject", "config"), "--injectValues=" + s.path("inject", "values"),
		"--meshConfig=" + s.path("mesh", "mesh"), "--tlsCertFile=" + s.path("certs", "cert-chain.pem"),
		"--tlsKeyFile=" + s.path("certs", "key.pem"), "--caCertFile=" + s.path("certs", "root-cert.pem"),
		"--port=0", "--monitoringPort=0", "--reconcileWebhookConfig=false",
		"--shutdownDelay=0s", "--log-format=json", "--log_output_level=debug",
	}, more...)
}

// injector is a running server.
type injector struct {
	t                   *testing.T
	site                *site
	log                 *output
	webhook, monitoring string // addresses
	stop                context.CancelFunc
	status              chan int
}

func start(t *testing.T, s *site, more ...string) *injector {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	i := &injector{t: t, site: s, log: &output{}, stop: stop, status: make(chan int, 1)}
	go func() {
		i.status <- Run(ctx, "v0-test", s.args(more...), []string{"PROXY_MODE=test"}, nil, io.Discard, i.log)
	}()
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			t.Logf("log of the server:\n%s", i.log)
		}
	})
	eventually(t, "both ports in the log", func() bool {
		select {
		case status := <-i.status:
			t.Fatalf("the server ended with %d:\n%s", status, i.log)
		default:
		}
		i.webhook, i.monitoring = i.listens("webhook"), i.listens("monitoring")
		return i.webhook != "" && i.monitoring != ""
	})
	return i
}

// listens finds a server's address in the log, which is where a user finds it.
func (i *injector) listens(name string) string {
	for line := range strings.Lines(i.log.String()) {
		var entry struct{ Msg, Address string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == name+" listens" {
			_, port, _ := net.SplitHostPort(entry.Address)
			return "127.0.0.1:" + port
		}
	}
	return ""
}

func (i *injector) wait() int {
	i.t.Helper()
	select {
	case status := <-i.status:
		return status
	case <-time.After(patience):
		i.t.Fatalf("the server did not end:\n%s", i.log)
		return -1
	}
}

// get asks the monitoring port.
func (i *injector) get(path string) (int, string) {
	i.t.Helper()
	resp, err := http.Get("http://" + i.monitoring + path)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

func (i *injector) waitReady() {
	i.t.Helper()
	eventually(i.t, "ready", func() bool { code, _ := i.get("/readyz"); return code == http.StatusOK })
}

// caller calls the webhook as an API server does.
func (s *site) caller(own ...tls.Certificate) *http.Client {
	pool := x509.NewCertPool()
	pool.AddCert(s.ca.cert)
	return &http.Client{Timeout: patience, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: serviceName, Certificates: own},
	}}
}

const podTemplate = `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"%s","kind":{"group":"","version":"v1","kind":"Pod"},
"operation":"CREATE","namespace":"shop","object":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"hello","labels":{"app":"hello"}},
"spec":{"containers":[{"name":"app","image":"example.com/app","env":[{"name":"PASSWORD","value":"hunter2"}]}]}}}}`

// inject posts a pod and returns the answer.
func (i *injector) inject(c *http.Client) (*admissionv1.AdmissionResponse, error) {
	resp, err := c.Post("https://"+i.webhook+"/inject?timeout=10s", "application/json", strings.NewReader(fmt.Sprintf(podTemplate, "uid-1")))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", resp.Status, body)
	}
	var review admissionv1.AdmissionReview
	if err := json.Unmarshal(body, &review); err != nil {
		return nil, err
	}
	return review.Response, nil
}

// mark is the label that the template in force sets, taken from the values.
func (i *injector) mark() string {
	i.t.Helper()
	r, err := i.inject(i.site.caller())
	must(i.t, err)
	var ops []struct {
		Path  string
		Value any
	}
	must(i.t, json.Unmarshal(r.Patch, &ops))
	for _, op := range ops {
		if op.Path == "/metadata/labels/marked" {
			return fmt.Sprint(op.Value)
		}
	}
	i.t.Fatalf("no mark in %s", r.Patch)
	return ""
}

func clientCertificate(t *testing.T, ca *authority) tls.Certificate {
	t.Helper()
	cert, key := ca.issue(t, "api-server", time.Now().Add(time.Hour))
	pair, err := tls.X509KeyPair(cert, key)
	must(t, err)
	return pair
}

// shownConfig is /debug/config as its users read it.
type shownConfig struct {
	Configuration struct {
		Hash string `json:"hash"`
	} `json:"configuration"`
	Dialect     string   `json:"dialect"`
	Templates   []string `json:"templates"`
	Certificate struct {
		DNSNames []string  `json:"dnsNames"`
		NotAfter time.Time `json:"notAfter"`
	} `json:"certificate"`
	CAs []struct {
		Fingerprint string `json:"sha256"`
	} `json:"cas"`
	Native bool `json:"nativeSidecars"`
}
