package server

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// dialFrom connects from another address of the loopback network: another peer.
func dialFrom(t *testing.T, address, peer string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(peer)}, Timeout: patience}
	c, err := d.Dial("tcp", address)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	must(t, c.SetDeadline(time.Now().Add(patience)))
	return c
}

// ask sends a request on an open connection and returns the answer's text.
func ask(t *testing.T, c net.Conn) string {
	t.Helper()
	_, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	must(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	must(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(t, err)
	return string(text)
}

func peerName(r *http.Request) string {
	name, _ := Peer(r)
	return name
}

func isClosed(c net.Conn) bool {
	_, err := c.Read(make([]byte, 1))
	return err != nil && !strings.Contains(err.Error(), "i/o timeout")
}

type told struct {
	mu    sync.Mutex
	peers []string
}

func (r *told) refused(peer string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.peers = append(r.peers, peer)
}

func (r *told) list() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.peers)
}

// TestConnectionsThatSayNothing has one peer open all connections there are and
// send nothing, half a header, or one request: others get in all the same.
func TestConnectionsThatSayNothing(t *testing.T) {
	for name, first := range map[string]string{
		"nothing":       "",
		"half a header": "GET / HTTP/1.1\r\nHost:",
		"idle":          "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			const most = 8
			var refused told
			r := run(t, Options{MaxConnections: most, Refused: refused.refused, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				fmt.Fprint(w, peerName(r))
			})})
			var greedy []net.Conn
			for range most {
				c := dialFrom(t, r.Addr().String(), "127.0.0.2")
				_, err := io.WriteString(c, first)
				must(t, err)
				greedy = append(greedy, c)
			}
			eventually(t, "all connections taken", func() bool { return r.Connections() == most })
			for _, peer := range []string{"127.0.0.3", "127.0.0.4"} {
				if got := ask(t, dialFrom(t, r.Addr().String(), peer)); got != peer {
					t.Errorf("the peer is called %q", got)
				}
			}
			if got := ask(t, dialFrom(t, r.Addr().String(), "127.0.0.2")); got != "127.0.0.2" {
				t.Errorf("the greedy peer's new connection: %q", got)
			}
			if want := []string{"127.0.0.2", "127.0.0.2", "127.0.0.2"}; !slices.Equal(refused.list(), want) {
				t.Errorf("told of %v, want %v", refused.list(), want)
			}
			_, _ = io.Copy(io.Discard, greedy[0])
			if !isClosed(greedy[0]) {
				t.Error("the oldest connection was left open")
			}
		})
	}
}

// TestConnectionsAtWork has one peer with requests at work on all connections: one
// of them yields to another peer, none to itself.
func TestConnectionsAtWork(t *testing.T) {
	const most = 4
	var refused told
	entered, hold := make(chan struct{}, most), make(chan struct{})
	r := run(t, Options{MaxConnections: most, Refused: refused.refused, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if peerName(r) != "127.0.0.2" {
			fmt.Fprint(w, "hello")
			return
		}
		entered <- struct{}{}
		select {
		case <-hold:
		case <-r.Context().Done():
		}
	})})
	defer close(hold)
	for range most {
		_, err := io.WriteString(dialFrom(t, r.Addr().String(), "127.0.0.2"), "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		must(t, err)
		<-entered
	}
	if !isClosed(dialFrom(t, r.Addr().String(), "127.0.0.2")) {
		t.Error("a peer took a connection at work from itself")
	}
	if got := ask(t, dialFrom(t, r.Addr().String(), "127.0.0.3")); got != "hello" {
		t.Errorf("another peer got %q", got)
	}
	if want := []string{"127.0.0.2", "127.0.0.2"}; !slices.Equal(refused.list(), want) {
		t.Errorf("told of %v, want %v", refused.list(), want)
	}
}

// TestReserveOfAuthenticatedCallers has many peers without a certificate hold all
// that they can reach.
func TestReserveOfAuthenticatedCallers(t *testing.T) {
	ca, callers := newAuthority(t), newAuthority(t)
	cert := ca.issue(t, "hook")
	const most = 8 // 2 of them for callers without a certificate
	r := run(t, Options{
		MaxConnections: most,
		TLS:            TLSConfig(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return cert, nil }, func() *x509.CertPool { return callers.pool }),
		Handler:        http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, peerName(r)) }),
	})
	mine := callers.issue(t, "api-server")
	call := func() *tls.Conn {
		t.Helper()
		c := tls.Client(dialFrom(t, r.Addr().String(), "127.0.0.3"), &tls.Config{RootCAs: ca.pool, ServerName: "hook", Certificates: []tls.Certificate{*mine}})
		if got := ask(t, c); got != "certificate api-server" {
			t.Errorf("the peer is called %q", got)
		}
		return c
	}
	kept := call()
	for i := range 20 {
		dialFrom(t, r.Addr().String(), fmt.Sprintf("127.0.1.%d", i+1))
		if n := r.Connections(); n > 3 {
			t.Fatalf("%d connections are open", n)
		}
	}
	for range most/2 + 1 {
		call()
	}
	if got := ask(t, kept); got != "certificate api-server" {
		t.Errorf("the connection that was there before them: %q", got)
	}
}

func TestPeerNames(t *testing.T) {
	for address, want := range map[string]string{
		"10.0.0.7:1234":          "10.0.0.7",
		"[::ffff:10.0.0.7]:1234": "10.0.0.7",
		"[2001:db8::1]:1234":     "2001:db8::1",
		"@":                      "@",
		"[fe80::1%eth0]:1234":    "fe80::1%eth0",
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = address
		if got := peerName(r); got != want {
			t.Errorf("%s is called %q, want %q", address, got, want)
		}
	}
}
