package health

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestSelfCheck(t *testing.T) {
	var requests atomic.Int32
	status := http.StatusOK
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if r.URL.Path != "/healthz" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.WriteHeader(status)
	}))
	defer srv.Close()
	srv.Config.ErrorLog = nil
	_, portText, _ := net.SplitHostPort(srv.Listener.Addr().String())
	port, _ := strconv.Atoi(portText)
	good := x509.NewCertPool()
	good.AddCert(srv.Certificate())
	leaf := srv.Certificate()

	roots, name, trustErr := good, "example.com", error(nil)
	clock := leaf.NotBefore.Add(time.Hour)
	s := &SelfCheck{
		Port: port, Path: "/healthz", Timeout: 10 * time.Second, MaxAge: time.Second,
		Trust: func() (*x509.CertPool, string, error) { return roots, name, trustErr },
		Now:   func() time.Time { return clock },
	}
	if !s.LastAttempt().IsZero() {
		t.Error("attempted before the first check")
	}
	expect := func(what, says string, wantRequests int32) {
		t.Helper()
		requests.Store(0)
		err := s.Check(context.Background())
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%s: got %v, want %q", what, err, says)
		}
		if got := requests.Load(); got != wantRequests {
			t.Errorf("%s: %d requests, want %d", what, got, wantRequests)
		}
	}
	expect("all is well", "", 1)
	if !s.LastAttempt().Equal(clock) {
		t.Errorf("last attempt %v, want %v", s.LastAttempt(), clock)
	}
	expect("a moment later, not asked again", "", 0)
	clock = clock.Add(time.Second)
	expect("a second later, asked again", "", 1)

	clock = clock.Add(time.Second)
	roots = x509.NewCertPool()
	expect("a certificate of another CA", "certificate signed by unknown authority", 0)
	roots = good
	expect("trouble is not remembered", "", 1)

	clock = clock.Add(time.Second)
	name = "other.example.org"
	expect("a certificate for another name", "not other.example.org", 0)
	name = "example.com"
	trustErr = errors.New("no serving certificate yet")
	expect("no certificate yet", "no serving certificate yet", 0)
	trustErr = nil
	status = http.StatusTeapot
	expect("another answer", "answered with 418", 1)
	status = http.StatusOK
	clock = leaf.NotAfter.Add(time.Hour)
	expect("an expired certificate", "expired", 0)
	clock = leaf.NotBefore.Add(2 * time.Hour)
	srv.Close()
	expect("nobody there", "own TLS request to port "+portText+" failed", 0)
	if err := s.Check(context.Background()); strings.Contains(err.Error(), "https://") {
		t.Errorf("the URL says nothing to the reader: %v", err)
	}
}
