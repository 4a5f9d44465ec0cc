package health

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"
)

// SelfCheck sends a request to the server's own TLS port as a client would: over a
// new connection, whose certificate it verifies. When that fails, it fails for
// every client.
type SelfCheck struct {
	// Port of the server on this machine.
	Port int
	// Path that answers 200.
	Path string
	// Trust returns the CAs that the served certificate must verify against, and
	// a name that it must be valid for.
	Trust func() (roots *x509.CertPool, serverName string, err error)
	// Certificate is what to present when the server asks for one; may be nil.
	Certificate *tls.Certificate
	// Timeout of one request.
	Timeout time.Duration
	// MaxAge is how long a success is valid, so that several probes at one time
	// cost one request.
	MaxAge time.Duration
	// Now is the clock for MaxAge and for the certificate's validity.
	Now func() time.Time

	flight sync.Mutex // one request at a time

	mu   sync.Mutex // guards what follows, never held while waiting
	at   time.Time
	last error // of the request begun at that time
}

// Check returns the outcome of a request made now, or of a good one made up to
// MaxAge ago.
func (s *SelfCheck) Check(ctx context.Context) error {
	s.flight.Lock()
	defer s.flight.Unlock()
	now := s.Now()
	if at := s.LastAttempt(); !at.IsZero() && now.Sub(at) < s.MaxAge && s.last == nil {
		return nil
	}
	err := s.request(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at, s.last = now, err
	return err
}

// LastAttempt returns when the last request was begun that has ended; zero before
// the first.
func (s *SelfCheck) LastAttempt() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at
}

func (s *SelfCheck) request(ctx context.Context) error {
	roots, name, err := s.Trust()
	if err != nil {
		return err
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: name, Time: s.Now}
	if s.Certificate != nil {
		cfg.Certificates = []tls.Certificate{*s.Certificate}
	}
	transport := &http.Transport{TLSClientConfig: cfg, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: s.Timeout}
	target := "https://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)) + s.Path
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("own TLS request to port %d failed: %w", s.Port, unwrapURL(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("own TLS request to port %d was answered with %s", s.Port, resp.Status)
	}
	return nil
}

// unwrapURL leaves out the method and URL, which say nothing to the reader.
func unwrapURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
