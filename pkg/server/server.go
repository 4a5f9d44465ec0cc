package server

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// An API server sends its header right after the connection is made. This
	// time also bounds the TLS handshake.
	readHeaderTimeout = 5 * time.Second
	// The whole request. The largest review is some MiB from within the data
	// center; a webhook call's own timeout is 10 s unless somebody changed it.
	readTimeout = 15 * time.Second
	// From the end of the header to the end of the answer. Kubernetes lets no
	// webhook call last longer than 30 s: after that nobody waits for the answer.
	writeTimeout = 30 * time.Second
	// Longer than the 90 s after which Kubernetes' own HTTP client drops an idle
	// connection, so that the client closes first: when the server does, a
	// request may be under way on the very connection.
	idleTimeout = 120 * time.Second
	// An API server's header is a few hundred bytes.
	maxHeaderBytes = 16 << 10
	// DefaultMaxConnections: an API server opens a connection for each request
	// that it has in flight, 200 mutating ones by default, and clusters have 3 or
	// 5 API servers; twice that for connections that idle after a burst.
	DefaultMaxConnections = 2048
	// anonymousShare is the part, one in four, of the connections that callers without
	// a certificate can reach where one is required: what is left is a reserve of those
	// that have one. A handshake takes some milliseconds, so these are plenty.
	anonymousShare = 4
)

// Options of a Server. Address and Handler are required.
type Options struct {
	// Name says which server it is, in messages: "webhook".
	Name string
	// Address to listen on, as net.Listen takes it. Port 0 picks a free one.
	Address string
	// Flag is what the user changes to choose another port: "--port".
	Flag string
	// Handler serves the requests.
	Handler http.Handler
	// TLS makes it an HTTPS server; see TLSConfig. Nil serves plain HTTP.
	TLS *tls.Config
	// MaxConnections at one time. For more, the peer that has the most loses those
	// that are idle or have not sent a request yet, and then, to a peer that has
	// fewer, the others; where nobody has to yield, the new one is closed at once,
	// which a caller notices and tries elsewhere. Zero means DefaultMaxConnections.
	MaxConnections int
	// Refused is called for each connection closed because of MaxConnections, with the
	// peer whose it was. It must not wait. May be nil.
	Refused func(peer string)
	// RequestTimeout bounds the handshake and, again, the whole request with its body;
	// IdleTimeout how long a connection is kept without a request. Zero means the usual
	// times, which suit API servers.
	RequestTimeout, IdleTimeout time.Duration
	// Delay is how long to keep serving after Run's context is done, while
	// Draining says true: load balancers need that long to look elsewhere.
	Delay time.Duration
	// NeverReady says, when Run's context is done, that no load balancer can have looked
	// here yet, so that there is no Delay; nil: one may have.
	NeverReady func() bool
	// Timeout is how long requests that are open after Delay may take.
	Timeout time.Duration
	// Log may be nil.
	Log *slog.Logger

	times *times // nil: the constants above
}

// times are how long a connection may take for each of its parts.
type times struct{ header, read, write, idle time.Duration }

// Server is one listening port.
type Server struct {
	opt      Options
	listener *limitListener
	http     *http.Server
	draining atomic.Bool
}

// Listen takes the port. Requests wait until Run.
func Listen(opt Options) (*Server, error) {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.times == nil {
		opt.times = &times{cmp.Or(opt.RequestTimeout, readHeaderTimeout), cmp.Or(opt.RequestTimeout, readTimeout), writeTimeout, cmp.Or(opt.IdleTimeout, idleTimeout)}
	}
	if opt.MaxConnections == 0 {
		opt.MaxConnections = DefaultMaxConnections
	}
	l, err := net.Listen("tcp", opt.Address)
	if err != nil {
		return nil, listenError(opt, err)
	}
	certificates := opt.TLS != nil && opt.TLS.ClientAuth == tls.RequireAndVerifyClientCert
	s := &Server{opt: opt, listener: newLimitListener(l, opt.MaxConnections, certificates, opt.Refused)}
	s.http = &http.Server{
		Handler:           s.handler(opt.Handler),
		Protocols:         onlyHTTP1(),
		TLSConfig:         opt.TLS,
		ReadHeaderTimeout: opt.times.header,
		ReadTimeout:       opt.times.read,
		WriteTimeout:      opt.times.write,
		IdleTimeout:       opt.times.idle,
		MaxHeaderBytes:    maxHeaderBytes,
		ConnState:         s.listener.stateChanged,
		ConnContext:       withConn,
		ErrorLog:          errorLog(opt.Log, opt.Name),
	}
	opt.Log.Info(opt.Name+" listens", "address", l.Addr().String())
	return s, nil
}

func listenError(opt Options, err error) error {
	_, port, splitErr := net.SplitHostPort(opt.Address)
	if splitErr != nil {
		port = opt.Address
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s port %s is in use by another process: free it or choose another with %s", opt.Name, port, opt.Flag)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s port %s may not be opened by this user: choose one above 1023 with %s", opt.Name, port, opt.Flag)
	}
	return fmt.Errorf("%s port %s (%s): %w", opt.Name, port, opt.Flag, err)
}

// Addr is the address that the server listens on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Port is the port that the server listens on.
func (s *Server) Port() int {
	_, port, _ := net.SplitHostPort(s.Addr().String())
	n, _ := strconv.Atoi(port)
	return n
}

// Connections is how many are open.
func (s *Server) Connections() int { return s.listener.open() }

// Draining reports whether the server was told to stop.
func (s *Server) Draining() bool { return s.draining.Load() }

// onlyHTTP1 leaves HTTP/2 out. API servers call webhooks with HTTP/1.1, so that
// calls spread over replicas; for others HTTP/2 would offer hundreds of requests on
// one connection, and what can be done with its frames before a handler is asked.
func onlyHTTP1() *http.Protocols {
	var p http.Protocols
	p.SetHTTP1(true)
	return &p
}

// handler notes that the connection is in use, and asks callers to move on while
// the server drains: after their current request connections are closed. New ones
// are served all the same. Otherwise an API server would go on with its open
// connections to the very end, and then lose them all at once.
func (s *Server) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		working(r.Context())
		if r.ProtoMajor != 1 { // net/http shows the first line of HTTP/2 as a request
			w.Header().Set("Connection", "close")
			http.Error(w, "HTTP/1.1 is spoken here", http.StatusHTTPVersionNotSupported)
			return
		}
		if s.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// Run serves until ctx is done, goes on for Options.Delay, then stops accepting
// and lets open requests finish within Options.Timeout. It returns nil when
// all of them could.
func (s *Server) Run(ctx context.Context) error {
	served := make(chan error, 1)
	go func() {
		if s.opt.TLS != nil {
			served <- s.http.ServeTLS(s.listener, "", "")
		} else {
			served <- s.http.Serve(s.listener)
		}
	}()
	select {
	case err := <-served:
		return fmt.Errorf("%s server stopped: %w", s.opt.Name, err)
	case <-ctx.Done():
	}
	s.draining.Store(true)
	wait := s.opt.Delay
	if s.opt.NeverReady != nil && s.opt.NeverReady() {
		wait = 0
	}
	s.opt.Log.Info(s.opt.Name+" drains", "delay", wait, "timeout", s.opt.Timeout)
	delay := time.NewTimer(wait)
	defer delay.Stop()
	select {
	case err := <-served:
		return fmt.Errorf("%s server stopped while draining: %w", s.opt.Name, err)
	case <-delay.C:
	}
	return s.shutdown(served)
}

// shutdown stops accepting, lets what was accepted be answered, and only then
// shuts the HTTP server down: that drops a request that arrives on a connection
// accepted a moment before, and a webhook's caller loses a pod by it.
func (s *Server) shutdown(served <-chan error) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.opt.Timeout)
	defer cancel()
	s.listener.finish()
	<-served
	s.listener.waitIdle(ctx)
	if err := s.http.Shutdown(ctx); err != nil {
		open := s.Connections()
		_ = s.http.Close()
		return fmt.Errorf("%s server: %d connections were still open after --shutdownTimeout %s and were cut", s.opt.Name, open, s.opt.Timeout)
	}
	s.opt.Log.Info(s.opt.Name + " stopped")
	return nil
}

// Close frees the port of a server that never ran.
func (s *Server) Close() error { return s.listener.Close() }
