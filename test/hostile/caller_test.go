//go:build integration && linux

package hostile

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	admissionv1 "k8s.io/api/admission/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/process"
)

// Every part has an address of its own, so that the server can tell them apart.
const (
	goodAddress    = "127.0.0.2" // an API server
	kubeletAddress = "127.0.0.3"
	scraperAddress = "127.0.0.4"
	hostileAddress = "127.0.0.9" // and those after it
)

// hostilePeer is the address of one of many attackers.
func hostilePeer(i int) string { return fmt.Sprintf("127.0.%d.%d", 1+i/250, 1+i%250) }

// from dials with a source address.
func from(source string) func(context.Context, string, string) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}, Timeout: 10 * time.Second}
	return d.DialContext
}

// caller sends reviews, as an API server does, from one address.
type caller struct {
	http *http.Client
	url  string
}

// newCaller keeps up to 16 connections. With fresh each call has its own.
func (s *injector) newCaller(source string, fresh bool) *caller {
	return &caller{
		url: "https://127.0.0.1:" + s.webhook + "/inject",
		http: &http.Client{Transport: &http.Transport{
			DialContext: from(source), TLSClientConfig: s.tls(), DisableKeepAlives: fresh, MaxIdleConnsPerHost: 16,
			TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}, // as API servers: HTTP/1.1
		}},
	}
}

func (s *injector) tls(protocols ...string) *tls.Config {
	return &tls.Config{RootCAs: s.files.Roots, ServerName: process.Hosts()[0], NextProtos: protocols, MinVersion: tls.VersionTLS12}
}

// dial opens a connection to the webhook's port and shakes hands.
func (s *injector) dial(ctx context.Context, source string, protocols ...string) (*tls.Conn, error) {
	raw, err := from(source)(ctx, "tcp", "127.0.0.1:"+s.webhook)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, s.tls(protocols...))
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, err
	}
	return conn, nil
}

// answer is what came back for one call.
type answer struct {
	err      error // nobody answered
	status   int   // of HTTP
	bytes    int   // of the body
	took     time.Duration
	text     string // of an HTTP error
	response *admissionv1.AdmissionResponse
}

// send posts a body with the caller's timeout, as an API server says it.
func (c *caller) send(ctx context.Context, body []byte, timeout time.Duration) (a answer) {
	begin := time.Now()
	defer func() { a.took = time.Since(begin) }()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"?timeout="+timeout.String(), bytes.NewReader(body))
	if err != nil {
		return answer{err: err}
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := c.http.Do(request)
	if err != nil {
		return answer{err: err}
	}
	defer response.Body.Close()
	return read(response)
}

func read(response *http.Response) (a answer) {
	a.status = response.StatusCode
	body, err := io.ReadAll(response.Body)
	if a.bytes = len(body); err != nil {
		return answer{err: err, status: a.status, bytes: a.bytes}
	}
	if a.status != http.StatusOK {
		a.text = cut(string(body))
		return a
	}
	var review admissionv1.AdmissionReview
	if err := json.Unmarshal(body, &review); err != nil {
		a.err = fmt.Errorf("the answer does not parse: %w: %s", err, cut(string(body)))
	} else if review.Response == nil {
		a.err = fmt.Errorf("the answer has no response: %s", cut(string(body)))
	}
	a.response = review.Response
	return a
}

// code is the answer's own: of the review when it refuses, else of HTTP.
func (a answer) code() int {
	if a.response != nil && !a.response.Allowed && a.response.Result != nil {
		return int(a.response.Result.Code)
	}
	return a.status
}

// message says why it was refused.
func (a answer) message() string {
	if a.response != nil && a.response.Result != nil {
		return a.response.Result.Message
	}
	return a.text
}

func (a answer) allowed() bool { return a.err == nil && a.response != nil && a.response.Allowed }

func (a answer) String() string {
	switch {
	case a.err != nil:
		return fmt.Sprintf("no answer after %s: %v", a.took.Round(time.Millisecond), a.err)
	case a.allowed():
		return fmt.Sprintf("allowed after %s, %d bytes", a.took.Round(time.Millisecond), a.bytes)
	}
	return fmt.Sprintf("code %d after %s, %d bytes: %s", a.code(), a.took.Round(time.Millisecond), a.bytes, cut(a.message()))
}

// review wraps a pod, as JSON, in an AdmissionReview.
func review(pod []byte) []byte {
	return reviewOf("705ab4f5-6393-11e8-b7cc-42010a800002", "default", pod)
}

func reviewOf(uid, namespace string, pod []byte) []byte {
	quoted := func(s string) []byte {
		b, err := json.Marshal(s)
		if err != nil {
			panic(err) // strings always encode
		}
		return b
	}
	var b bytes.Buffer
	b.WriteString(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":`)
	b.Write(quoted(uid))
	b.WriteString(`,"kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},"namespace":`)
	b.Write(quoted(namespace))
	b.WriteString(`,"operation":"CREATE","object":`)
	b.Write(pod)
	b.WriteString(`}}`)
	return b.Bytes()
}
