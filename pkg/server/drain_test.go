package server

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"
)

// TestDrainLosesNothing stops a server under load on kept connections: every request
// sent before the server said that it was gone must be answered.
func TestDrainLosesNothing(t *testing.T) {
	ca := newAuthority(t)
	cert := ca.issue(t, "hook")
	r := run(t, Options{
		Delay: 300 * time.Millisecond,
		TLS:   TLSConfig(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return cert, nil }, nil),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(5 * time.Millisecond) // the work
			fmt.Fprint(w, "ok")
		}),
	})
	type outcome struct {
		during int // answered while draining
		err    error
	}
	results := make(chan outcome, 4)
	for range 4 {
		go func() {
			c := client(ca)
			var o outcome
			for {
				draining := r.Draining()
				shaken := false
				req, _ := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
					GotConn: func(httptrace.GotConnInfo) { shaken = true },
				}), http.MethodGet, r.url("https"), nil)
				resp, err := c.Do(req)
				if err != nil {
					// Nobody takes connections any more: that is the end of the drain.
					// With a connection, it is a request that was lost.
					if shaken {
						o.err = err
					}
					results <- o
					return
				}
				resp.Body.Close()
				if draining {
					o.during++
				}
			}
		}()
	}
	eventually(t, "load", func() bool { return r.Connections() >= 4 })
	r.stop()
	if err := r.wait(t); err != nil {
		t.Errorf("Run: %v", err)
	}
	for range 4 {
		o := <-results
		if o.err != nil {
			t.Errorf("lost a request: %v", o.err)
		}
		if o.during == 0 {
			t.Error("not served during the delay")
		}
	}
}

// TestDrainFinishesWhatIsOpen has a request open when the server is told to
// stop, and lets it end after the delay.
func TestDrainFinishesWhatIsOpen(t *testing.T) {
	open, finish := make(chan struct{}), make(chan struct{})
	r := run(t, Options{Delay: time.Millisecond, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(open)
		<-finish
		fmt.Fprint(w, "done")
	})})
	answer := make(chan error, 1)
	go func() {
		resp, err := (&http.Client{Timeout: patience}).Get(r.url("http"))
		if err == nil {
			resp.Body.Close()
		}
		answer <- err
	}()
	<-open
	r.stop()
	eventually(t, "the server draining", r.Draining)
	eventually(t, "nobody listens", func() bool {
		c, err := net.Dial("tcp", r.Addr().String())
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	close(finish)
	if err := <-answer; err != nil {
		t.Errorf("the open request: %v", err)
	}
	if err := r.wait(t); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestDrainGivesUp(t *testing.T) {
	open, never := make(chan struct{}), make(chan struct{})
	defer close(never)
	r := run(t, Options{Timeout: 20 * time.Millisecond, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(open)
		<-never
	})})
	go func() { _, _ = (&http.Client{Timeout: patience}).Get(r.url("http")) }()
	<-open
	r.stop()
	err := r.wait(t)
	if err == nil || !strings.Contains(err.Error(), "1 connections were still open after --shutdownTimeout 20ms") {
		t.Errorf("Run: %v, want to hear of the connection that was cut", err)
	}
}

func TestRunReportsALostListener(t *testing.T) {
	r := run(t, Options{Handler: http.NotFoundHandler()})
	must(t, r.Close())
	if err := r.wait(t); err == nil || !strings.Contains(err.Error(), "webhook server stopped") {
		t.Errorf("Run: %v", err)
	}
}
