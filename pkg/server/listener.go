package server

import (
	"net"
	"sync"
	"sync/atomic"
)

// limitListener closes connections beyond max right after accepting them.
// Leaving them in the kernel's queue would make callers wait for their whole
// timeout; closed ones are tried again, elsewhere when there is an elsewhere.
type limitListener struct {
	net.Listener
	max     int64
	open    atomic.Int64
	refused func()
}

func (l *limitListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Add(1) <= l.max {
			return &countedConn{Conn: c, done: func() { l.open.Add(-1) }}, nil
		}
		l.open.Add(-1)
		_ = c.Close()
		if l.refused != nil {
			l.refused()
		}
	}
}

// countedConn tells once that it was closed.
type countedConn struct {
	net.Conn
	once sync.Once
	done func()
}

func (c *countedConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.done)
	return err
}
