package server

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// limitListener closes connections beyond max right after accepting them.
// Leaving them in the kernel's queue would make callers wait for their whole
// timeout; closed ones are tried again, elsewhere when there is an elsewhere.
type limitListener struct {
	net.Listener
	max     int64
	open    atomic.Int64
	busy    atomic.Int64 // of the open ones, those that owe an answer
	refused func()

	lastCall atomic.Bool
}

// Accept implements net.Listener.
func (l *limitListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			if l.lastCall.Load() {
				_ = l.Listener.Close()
				return nil, net.ErrClosed
			}
			return nil, err
		}
		if l.open.Add(1) <= l.max {
			return &countedConn{Conn: c, listener: l}, nil
		}
		l.open.Add(-1)
		_ = c.Close()
		if l.refused != nil {
			l.refused()
		}
	}
}

// finish makes Accept end the listener after a moment without a connection.
// Closing it outright would reset those that the kernel has taken and nobody
// has accepted yet, and their callers were promised to be served.
func (l *limitListener) finish() {
	l.lastCall.Store(true)
	if t, ok := l.Listener.(*net.TCPListener); ok && t.SetDeadline(time.Now().Add(2*time.Millisecond)) == nil {
		return
	}
	_ = l.Listener.Close()
}

// stateChanged is the http.Server's hook. A new connection counts as busy: its
// caller is about to send a request.
func (l *limitListener) stateChanged(c net.Conn, state http.ConnState) {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	if counted, ok := c.(*countedConn); ok {
		counted.setBusy(state == http.StateNew || state == http.StateActive)
	}
}

// waitIdle waits until no connection owes an answer. One look does not tell: an
// HTTP/2 connection counts as idle between its handshake and its first request,
// which is on its way.
func (l *limitListener) waitIdle(ctx context.Context) {
	const looks = 3 // in a row
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for idle := 0; idle < looks; idle++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if l.busy.Load() > 0 {
			idle = -1
		}
	}
}

// countedConn counts itself out of the listener's numbers when it is closed.
type countedConn struct {
	net.Conn
	listener *limitListener
	busy     atomic.Bool
	once     sync.Once
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

func (c *countedConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { c.listener.open.Add(-1) })
	return err
}
