package server

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/fair"
)

// limitListener bounds the connections and what each peer has of them. A newcomer
// for whom there is no room gets that of an idle or unfinished connection of the
// greediest peer; where nobody has to yield, it is closed right away. Leaving it in
// the kernel's queue would make its caller wait for the whole timeout; a closed one
// is tried again, elsewhere when there is an elsewhere.
type limitListener struct {
	net.Listener
	// pool has all connections or, where callers must present a certificate, those
	// that have not done so yet.
	pool *fair.Pool
	// authenticated has the connections of callers that have presented their
	// certificate, so that nobody without one can take their room; nil where none is
	// asked for.
	authenticated *fair.Pool
	refused       func(peer string) // never nil
	busy          atomic.Int64      // of the open ones, those that owe an answer

	lastCall atomic.Bool
}

// newLimitListener returns a listener that bounds l's connections.
func newLimitListener(l net.Listener, most int, certificates bool, refused func(peer string)) *limitListener {
	if refused == nil {
		refused = func(string) {}
	}
	limited := &limitListener{Listener: l, refused: refused}
	if certificates {
		anonymous := max(1, most/anonymousShare)
		limited.pool, limited.authenticated = fair.NewPool(int64(anonymous)), fair.NewPool(int64(most-anonymous))
	} else {
		limited.pool = fair.NewPool(int64(most))
	}
	return limited
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
		if counted := l.admit(c); counted != nil {
			return counted, nil
		}
	}
}

// admit counts a new connection, or closes it.
func (l *limitListener) admit(c net.Conn) *countedConn {
	counted := &countedConn{Conn: c, listener: l}
	peer := peerOfAddress(c.RemoteAddr().String())
	cut := func() { counted.cut(peer) }
	if counted.holding = l.pool.Take(peer, 1, fair.Idle, cut); counted.holding == nil {
		cut()
		return nil
	}
	return counted
}

// open is how many connections there are.
func (l *limitListener) open() int {
	n := l.pool.Used()
	if l.authenticated != nil {
		n += l.authenticated.Used()
	}
	return int(n)
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

// stateChanged is the http.Server's hook. A new connection counts as busy for the
// drain: its caller is about to send a request.
func (l *limitListener) stateChanged(c net.Conn, state http.ConnState) {
	counted := countedOf(c)
	if counted == nil {
		return
	}
	counted.setBusy(state == http.StateNew || state == http.StateActive)
	switch t, _ := c.(*tls.Conn); {
	case state == http.StateIdle:
		counted.mark(fair.Idle)
	case state == http.StateActive && t != nil && l.authenticated != nil:
		counted.authenticate(t)
	}
}

// waitIdle waits until no connection owes an answer. One look does not tell: the
// next request may be on its way on a connection that has just become idle.
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
