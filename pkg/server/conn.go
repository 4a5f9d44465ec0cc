package server

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/fair"
)

// countedConn counts itself out of the listener's numbers when it is closed.
type countedConn struct {
	net.Conn
	listener *limitListener
	busy     atomic.Bool

	mu            sync.Mutex // guards what follows
	holding       *fair.Holding
	authenticated bool
}

// countedOf returns what admit made of the connection that net/http shows.
func countedOf(c net.Conn) *countedConn {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	counted, _ := c.(*countedConn)
	return counted
}

// connKey is the key of the connection in a request's context.
type connKey struct{}

// withConn is the http.Server's ConnContext.
func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, countedOf(c))
}

// working says that the request's connection is not idle from here on: the header
// has been read.
func working(ctx context.Context) {
	if c, _ := ctx.Value(connKey{}).(*countedConn); c != nil {
		c.mark(fair.Busy)
	}
}

func (c *countedConn) mark(s fair.State) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.holding.Mark(s)
}

// authenticate moves a connection to those of authenticated callers, once.
func (c *countedConn) authenticate(t *tls.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.authenticated {
		return
	}
	state := t.ConnectionState()
	name, ok := certificateName(&state)
	if !ok {
		return
	}
	c.authenticated = true
	c.holding.Release()
	cut := func() { c.cut(name) }
	if h := c.listener.authenticated.Take(name, 1, fair.Idle, cut); h != nil {
		c.holding = h
		return
	}
	cut()
}

// cut closes a connection that has to yield; net/http notices and closes the rest.
func (c *countedConn) cut(peer string) {
	_ = c.Conn.Close()
	c.listener.refused(peer)
}

func (c *countedConn) setBusy(busy bool) {
	if c.busy.Swap(busy) == busy {
		return
	}
	if busy {
		c.listener.busy.Add(1)
	} else {
		c.listener.busy.Add(-1)
	}
}

// Close implements net.Conn.
func (c *countedConn) Close() error {
	err := c.Conn.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.holding.Release()
	return err
}
