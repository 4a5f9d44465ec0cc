package server

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestPlainHTTPOnTheTLSPort(t *testing.T) {
	cert := newAuthority(t).issue(t, "hook")
	r := run(t, Options{
		TLS:     TLSConfig(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return cert, nil }, nil),
		Handler: http.NotFoundHandler(),
	})
	answer, err := (&http.Client{Timeout: patience}).Get(r.url("http"))
	must(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	must(t, err)
	if answer.StatusCode != http.StatusBadRequest || !strings.Contains(string(text), "HTTP request to an HTTPS server") {
		t.Errorf("the answer is %s %q", answer.Status, text)
	}
	eventually(t, "a line in the log", func() bool { return strings.Contains(r.log.String(), "TLS handshake error") })
	eventually(t, "the connection is closed", func() bool { return r.Connections() == 0 })
}

func TestAPanicInAHandshakeEndsTheConnectionAlone(t *testing.T) {
	ca := newAuthority(t)
	cert := ca.issue(t, "hook")
	var calls atomic.Int32
	r := run(t, Options{
		TLS: TLSConfig(func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			if calls.Add(1) == 1 {
				panic("out of order")
			}
			return cert, nil
		}, nil),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }),
	})
	if c, err := tls.Dial("tcp", r.Addr().String(), &tls.Config{RootCAs: ca.pool, ServerName: "hook"}); err == nil {
		c.Close()
		t.Error("the handshake that panicked went well")
	}
	if !strings.Contains(r.log.String(), "out of order") {
		t.Errorf("the log does not tell of the panic: %s", r.log)
	}
	answer, err := client(ca).Get(r.url("https"))
	must(t, err)
	answer.Body.Close()
}

// TestDrainServesAHandshakeUnderWay has a caller that has connected and no more
// when the server is told to stop.
func TestDrainServesAHandshakeUnderWay(t *testing.T) {
	ca := newAuthority(t)
	cert := ca.issue(t, "hook")
	r := run(t, Options{
		TLS:     TLSConfig(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return cert, nil }, nil),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "served") }),
	})
	conn, err := net.Dial("tcp", r.Addr().String())
	must(t, err)
	defer conn.Close()
	eventually(t, "the connection is accepted", func() bool { return r.Connections() == 1 })
	r.stop()
	eventually(t, "the server takes no more connections", func() bool { return refuses(r.Addr().String()) })

	secured := tls.Client(conn, &tls.Config{RootCAs: ca.pool, ServerName: "hook"})
	_, err = io.WriteString(secured, "GET / HTTP/1.1\r\nHost: hook\r\n\r\n")
	must(t, err)
	text, err := io.ReadAll(secured)
	must(t, err)
	if !strings.Contains(string(text), "served") {
		t.Errorf("the answer is %q", text)
	}
	must(t, r.wait(t))
}

func refuses(address string) bool {
	c, err := net.DialTimeout("tcp", address, time.Second)
	if err == nil {
		c.Close()
	}
	return err != nil
}
