package server

import (
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestNoHTTP2 speaks HTTP/2 all the same: nothing of it is understood, so none of
// its frames can be used against the server.
func TestNoHTTP2(t *testing.T) {
	ca := newAuthority(t)
	cert := ca.issue(t, "hook")
	r := run(t, Options{
		TLS: TLSConfig(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return cert, nil }, nil),
		Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			t.Error("a handler was asked")
		}),
	})
	if c, err := tls.Dial("tcp", r.Addr().String(), &tls.Config{RootCAs: ca.pool, ServerName: "hook", NextProtos: []string{"h2"}}); err == nil {
		c.Close()
		t.Error("a caller that speaks HTTP/2 alone was let in")
	}
	conn, err := tls.Dial("tcp", r.Addr().String(), &tls.Config{RootCAs: ca.pool, ServerName: "hook"})
	must(t, err)
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(patience)))
	_, err = io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"+"\x00\x00\x00\x04\x00\x00\x00\x00\x00") // no settings of ours
	must(t, err)
	answer, err := io.ReadAll(conn) // to the end: the connection is closed
	if err != nil && strings.Contains(err.Error(), "i/o timeout") {
		t.Errorf("the connection was left open: %v", err)
	}
	if len(answer) > 0 && !strings.HasPrefix(string(answer), "HTTP/1.1 4") && !strings.HasPrefix(string(answer), "HTTP/1.1 5") {
		t.Errorf("answered %q", answer)
	}
}
