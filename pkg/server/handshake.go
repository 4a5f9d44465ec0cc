package server

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"runtime/debug"
	"sync"
	"time"
)

// handshaker is a listener that hands out connections when they have done their
// TLS handshake. Each does it on a goroutine that then ends. net/http would do it
// on the one that serves the connection, whose stack would stay as large as the
// cryptography needed it, 16 KiB, where serving needs 8.
type handshaker struct {
	net.Listener
	config  *tls.Config
	timeout time.Duration // for one handshake
	log     *log.Logger   // of the http.Server

	accepted chan accepted
	done     chan struct{} // closed when nothing more comes
	closed   chan struct{} // closed by Close
	once     sync.Once
}

type accepted struct {
	conn net.Conn
	err  error
}

// shakeHands returns a listener of the connections that l accepts.
func shakeHands(l net.Listener, config *tls.Config, timeout time.Duration, log *log.Logger) *handshaker {
	h := &handshaker{
		Listener: l, config: config, timeout: timeout, log: log,
		accepted: make(chan accepted), done: make(chan struct{}), closed: make(chan struct{}),
	}
	go h.run()
	return h
}

// run accepts until the listener ends. Handshakes that are under way then are
// finished: their callers were promised to be served.
func (h *handshaker) run() {
	defer close(h.done)
	var pending sync.WaitGroup
	defer pending.Wait()
	for {
		conn, err := h.Listener.Accept()
		switch {
		case err == nil:
			pending.Go(func() { h.handshake(conn) })
		case errors.Is(err, net.ErrClosed):
			return
		case !h.hand(accepted{err: err}): // the http.Server knows which errors pass
			return
		}
	}
}

func (h *handshaker) handshake(conn net.Conn) {
	// As net/http does it: a caller that makes crypto/tls panic ends its own
	// connection, not the program.
	defer func() {
		if p := recover(); p != nil {
			h.log.Printf("http: panic in the TLS handshake with %s: %v\n%s", conn.RemoteAddr(), p, debug.Stack())
			_ = conn.Close()
		}
	}()
	secured := tls.Server(conn, h.config)
	err := conn.SetDeadline(time.Now().Add(h.timeout))
	if err == nil {
		err = secured.Handshake()
	}
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err == nil {
		if !h.hand(accepted{conn: secured}) {
			_ = conn.Close()
		}
		return
	}
	var header tls.RecordHeaderError
	if errors.As(err, &header) && header.Conn != nil && looksLikeHTTP(header.RecordHeader) {
		_, _ = io.WriteString(header.Conn, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
		err = errors.New("client sent an HTTP request to an HTTPS server")
	}
	_ = conn.Close()
	h.log.Printf("http: TLS handshake error from %s: %v", conn.RemoteAddr(), err)
}

// looksLikeHTTP tells from where a TLS record's header should be whether a caller
// took the port for a plain one.
func looksLikeHTTP(start [5]byte) bool {
	switch string(start[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO":
		return true
	}
	return false
}

// hand gives something to Accept; false when the listener was closed before.
func (h *handshaker) hand(a accepted) bool {
	select {
	case h.accepted <- a:
		return true
	case <-h.closed:
		return false
	}
}

// Accept implements net.Listener.
func (h *handshaker) Accept() (net.Conn, error) {
	select {
	case a := <-h.accepted:
		return a.conn, a.err
	case <-h.done:
	case <-h.closed:
	}
	return nil, net.ErrClosed
}

// Close implements net.Listener.
func (h *handshaker) Close() error {
	h.once.Do(func() { close(h.closed) })
	return h.Listener.Close()
}
