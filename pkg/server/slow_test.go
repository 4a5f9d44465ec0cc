package server

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestSlowCallersAreCut has a server with short times to see that each of them
// is in force: no caller can hold a connection for ever.
func TestSlowCallersAreCut(t *testing.T) {
	ca := newAuthority(t)
	cert := ca.issue(t, "hook")
	r := run(t, Options{
		times: &times{header: 200 * time.Millisecond, read: 300 * time.Millisecond, write: time.Second, idle: 100 * time.Millisecond},
		TLS:   TLSConfig(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return cert, nil }, nil),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, err := io.Copy(io.Discard, r.Body)
			fmt.Fprint(w, err)
		}),
	})
	closed := func(t *testing.T, c net.Conn) {
		t.Helper()
		must(t, c.SetReadDeadline(time.Now().Add(patience)))
		if _, err := io.Copy(io.Discard, c); err != nil && strings.Contains(err.Error(), "i/o timeout") {
			t.Error("the connection was left open")
		}
	}
	dialTLS := func(t *testing.T) *tls.Conn {
		t.Helper()
		c, err := tls.Dial("tcp", r.Addr().String(), &tls.Config{RootCAs: ca.pool, ServerName: "hook"})
		must(t, err)
		t.Cleanup(func() { c.Close() })
		return c
	}
	t.Run("says nothing", func(t *testing.T) {
		c, err := net.Dial("tcp", r.Addr().String())
		must(t, err)
		defer c.Close()
		closed(t, c)
	})
	t.Run("half a header", func(t *testing.T) {
		c := dialTLS(t)
		// On a busy machine the time may be over before this is written.
		_, _ = io.WriteString(c, "POST /inject HTTP/1.1\r\nHost: x\r\n")
		closed(t, c)
	})
	t.Run("half a body", func(t *testing.T) {
		c := dialTLS(t)
		_, err := io.WriteString(c, "POST /inject HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
		must(t, err)
		closed(t, c)
	})
	t.Run("stays idle", func(t *testing.T) {
		c := dialTLS(t)
		_, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		must(t, err)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		must(t, err)
		if resp.StatusCode != http.StatusOK {
			t.Errorf("got %s", resp.Status)
		}
		closed(t, c)
	})
	t.Run("long header", func(t *testing.T) {
		c := dialTLS(t)
		// The server may close before all is written; what it answers counts.
		go fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n", strings.Repeat("x", 64<<10))
		must(t, c.SetReadDeadline(time.Now().Add(patience)))
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err == nil && resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("got %s", resp.Status)
		}
	})
	eventually(t, "no connection is left", func() bool { return r.listener.busy.Load() == 0 })
}

// A server whose callers are known to be quick gives a request one short time.
func TestRequestTimeout(t *testing.T) {
	r := run(t, Options{RequestTimeout: 100 * time.Millisecond, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusMethodNotAllowed) // and net/http reads the body
	})})
	for _, text := range []string{"", "POST / HTTP/1.1\r\nHost", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf"} {
		c, err := net.Dial("tcp", r.Addr().String())
		must(t, err)
		defer c.Close()
		_, err = io.WriteString(c, text)
		must(t, err)
		must(t, c.SetReadDeadline(time.Now().Add(patience)))
		begin := time.Now()
		if _, err := io.Copy(io.Discard, c); err != nil && strings.Contains(err.Error(), "i/o timeout") {
			t.Errorf("%q: the connection was left open", text)
		}
		if took := time.Since(begin); took > readHeaderTimeout {
			t.Errorf("%q: the connection was closed after %s", text, took)
		}
	}
}

func TestUsualTimes(t *testing.T) {
	s, err := Listen(Options{Address: "127.0.0.1:0", Handler: http.NotFoundHandler()})
	must(t, err)
	defer s.Close()
	h := s.http
	if h.ReadHeaderTimeout == 0 || h.ReadTimeout < h.ReadHeaderTimeout || h.WriteTimeout < h.ReadTimeout || h.MaxHeaderBytes == 0 {
		t.Errorf("a limit is missing: %+v", h)
	}
	// Kubernetes' own client drops idle connections after 90 s, and must be first.
	if h.IdleTimeout <= 90*time.Second {
		t.Errorf("idle connections are closed after %s, before their callers do", h.IdleTimeout)
	}
}
