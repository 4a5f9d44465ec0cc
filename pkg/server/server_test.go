package server

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

// authority signs certificates for tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &authority{cert, key, pool}
}

func (a *authority) issue(t *testing.T, name string) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	must(t, err)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// running is a server under test.
type running struct {
	*Server
	stop   context.CancelFunc
	result chan error
	log    *logBuffer
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func run(t *testing.T, opt Options) *running {
	t.Helper()
	r := &running{result: make(chan error, 1), log: &logBuffer{}}
	opt.Address = "127.0.0.1:0"
	opt.Log = slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if opt.Name == "" {
		opt.Name = "webhook"
	}
	if opt.Timeout == 0 {
		opt.Timeout = patience
	}
	s, err := Listen(opt)
	must(t, err)
	r.Server = s
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	go func() { r.result <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		_ = s.http.Close()
	})
	return r
}

func (r *running) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-r.result:
		return err
	case <-time.After(patience):
		t.Fatal("the server did not stop")
		return nil
	}
}

func client(ca *authority, protocols ...string) *http.Client {
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.pool, ServerName: "hook", NextProtos: protocols}, ForceAttemptHTTP2: len(protocols) > 0 && protocols[0] == "h2"}
	return &http.Client{Transport: tr, Timeout: patience}
}

func (r *running) url(scheme string) string { return scheme + "://" + r.Addr().String() }

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(time.Millisecond) // between looks, not instead of them
	}
}

func TestServeTLS(t *testing.T) {
	ca := newAuthority(t)
	var current atomic.Pointer[tls.Certificate]
	current.Store(ca.issue(t, "hook"))
	hello := func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		if c := current.Load(); c != nil {
			return c, nil
		}
		return nil, errors.New("no certificate yet")
	}
	r := run(t, Options{TLS: TLSConfig(hello, nil), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Proto)
	})})
	get := func(c *http.Client) (string, *tls.ConnectionState, error) {
		resp, err := c.Get(r.url("https"))
		if err != nil {
			return "", nil, err
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return string(body), resp.TLS, nil
	}

	for _, offered := range [][]string{{"h2", "http/1.1"}, {"http/1.1"}} {
		got, _, err := get(client(ca, offered...))
		must(t, err)
		if got != "HTTP/1.1" {
			t.Errorf("a caller of %v got %s, want HTTP/1.1", offered, got)
		}
	}

	old := client(ca, "http/1.1")
	old.Transport.(*http.Transport).TLSClientConfig.MinVersion = tls.VersionTLS10
	old.Transport.(*http.Transport).TLSClientConfig.MaxVersion = tls.VersionTLS11
	if _, _, err := get(old); err == nil || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("TLS 1.1: %v, want a refusal because of the version", err)
	}

	weak := client(ca, "http/1.1")
	weak.Transport.(*http.Transport).TLSClientConfig.MaxVersion = tls.VersionTLS12
	weak.Transport.(*http.Transport).TLSClientConfig.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}
	if _, _, err := get(weak); err == nil || !strings.Contains(err.Error(), "handshake failure") {
		t.Errorf("a suite without authenticated encryption: %v, want a refusal", err)
	}

	next := ca.issue(t, "hook")
	current.Store(next)
	_, state, err := get(client(ca, "http/1.1"))
	must(t, err)
	if !bytes.Equal(state.PeerCertificates[0].Raw, next.Certificate[0]) {
		t.Error("the renewed certificate is not served on the next connection")
	}

	stranger := newAuthority(t)
	if _, _, err := get(client(stranger, "http/1.1")); err == nil {
		t.Error("a caller that trusts another CA was served")
	}
	eventually(t, "a hint about caBundle in the log", func() bool { return strings.Contains(r.log.String(), "compare caBundle") })

	current.Store(nil)
	if _, _, err := get(client(ca, "http/1.1")); err == nil {
		t.Error("served without a certificate")
	}
	r.stop()
	if err := r.wait(t); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestClientCertificates(t *testing.T) {
	ca, callers, strangers := newAuthority(t), newAuthority(t), newAuthority(t)
	var pool atomic.Pointer[x509.CertPool]
	pool.Store(callers.pool)
	cert := ca.issue(t, "hook")
	r := run(t, Options{
		TLS:     TLSConfig(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return cert, nil }, pool.Load),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }),
	})
	call := func(own *tls.Certificate) error {
		c := client(ca, "http/1.1")
		if own != nil {
			c.Transport.(*http.Transport).TLSClientConfig.Certificates = []tls.Certificate{*own}
		}
		resp, err := c.Get(r.url("https"))
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
	mine, other := callers.issue(t, "api-server"), strangers.issue(t, "stranger")
	if err := call(mine); err != nil {
		t.Errorf("a caller of the right CA: %v", err)
	}
	if err := call(other); err == nil {
		t.Error("a caller of another CA was served")
	}
	if err := call(nil); err == nil {
		t.Error("a caller without a certificate was served")
	}
	pool.Store(strangers.pool)
	if err := call(other); err != nil {
		t.Errorf("a caller of the new CA: %v", err)
	}
	if err := call(mine); err == nil {
		t.Error("a caller of the replaced CA was served")
	}
	pool.Store(nil)
	if err := call(other); err == nil {
		t.Error("served with no CAs to check callers by")
	}
}

func TestPortTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_, err = Listen(Options{Name: "webhook", Flag: "--port", Address: l.Addr().String()})
	want := "webhook port " + port + " is in use by another process: free it or choose another with --port"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestListenErrors(t *testing.T) {
	opt := Options{Name: "webhook", Flag: "--port", Address: ":443"}
	for err, want := range map[error]string{
		syscall.EACCES:        "webhook port 443 may not be opened by this user: choose one above 1023 with --port",
		errors.New("strange"): "webhook port 443 (--port): strange",
	} {
		if got := listenError(opt, &net.OpError{Op: "listen", Err: err}).Error(); !strings.HasPrefix(got, want[:len(want)-8]) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if _, err := Listen(Options{Name: "webhook", Flag: "--port", Address: "no port"}); err == nil || !strings.Contains(err.Error(), "--port") {
		t.Errorf("got %v", err)
	}
}

func TestConnectionLimit(t *testing.T) {
	var refused atomic.Int32
	entered, hold := make(chan struct{}, 8), make(chan struct{})
	r := run(t, Options{MaxConnections: 2, Refused: func(string) { refused.Add(1) }, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		select {
		case <-hold:
		case <-r.Context().Done():
		}
	})})
	defer close(hold)
	var conns []net.Conn
	for range 2 {
		c, err := net.Dial("tcp", r.Addr().String())
		must(t, err)
		defer c.Close()
		_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		must(t, err)
		<-entered
		conns = append(conns, c)
	}
	third, err := net.Dial("tcp", r.Addr().String())
	must(t, err)
	defer third.Close()
	must(t, third.SetReadDeadline(time.Now().Add(patience)))
	if _, err := third.Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the connection beyond the limit: %v, want it closed", err)
	}
	eventually(t, "the refusal told", func() bool { return refused.Load() == 1 })
	conns[0].Close()
	eventually(t, "a place is free again", func() bool { return r.Connections() == 1 })
	resp := make(chan error, 1)
	go func() {
		c := &http.Client{Timeout: patience}
		_, err := c.Get(r.url("http"))
		resp <- err
	}()
	eventually(t, "a new connection is let in", func() bool { return r.Connections() == 2 })
}
