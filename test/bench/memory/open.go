package memory

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/pods"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/process"
)

// open sends n requests up to their last byte, each on a connection of its own,
// as an API server does that has that many in flight, and then all last bytes.
// It returns the peak of the resident memory in MiB, and how many were not
// answered well.
func open(ctx context.Context, server *process.Server, files *process.Files, shape pods.Shape, n int) (float64, int, error) {
	if err := server.Usage().Forget(); err != nil {
		return 0, 0, err
	}
	reviews, err := pods.NewReviews(shape.Pod)
	if err != nil {
		return 0, 0, err
	}
	requests := make([]*openRequest, n)
	defer func() {
		for _, r := range requests {
			if r != nil {
				_ = r.conn.Close()
			}
		}
	}()
	// Soon enough one after the other that the server does not give up on the
	// first before the last is there.
	opening, openCtx := errgroup.WithContext(ctx)
	opening.SetLimit(16)
	for i := range n {
		body := bytes.Clone(reviews.Review(uint32(i), uint32(i)))
		opening.Go(func() (err error) {
			if requests[i], err = begin(openCtx, server, files, body); err != nil {
				return fmt.Errorf("request %d of %d: %w", i+1, n, err)
			}
			return nil
		})
	}
	if err := opening.Wait(); err != nil {
		return 0, 0, err
	}
	var failed atomic.Int64
	var all sync.WaitGroup
	for _, r := range requests {
		all.Go(func() {
			if err := r.finish(); err != nil {
				failed.Add(1)
			}
		})
	}
	all.Wait()
	peak, err := server.Usage().Peak()
	return peak, int(failed.Load()), err
}

// openRequest is a request whose last byte is missing.
type openRequest struct {
	conn *tls.Conn
	last byte
}

func begin(ctx context.Context, server *process.Server, files *process.Files, body []byte) (*openRequest, error) {
	dialer := tls.Dialer{Config: tlsConfig(files)}
	conn, err := dialer.DialContext(ctx, "tcp", "127.0.0.1:"+server.Webhook)
	if err != nil {
		return nil, err
	}
	r := &openRequest{conn: conn.(*tls.Conn), last: body[len(body)-1]}
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return r, err
	}
	head := fmt.Sprintf("POST /inject?timeout=30s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
		process.Hosts()[0], len(body))
	if _, err := conn.Write([]byte(head)); err != nil {
		return r, err
	}
	_, err = conn.Write(body[:len(body)-1])
	return r, err
}

func (r *openRequest) finish() error {
	if _, err := r.conn.Write([]byte{r.last}); err != nil {
		return err
	}
	answer, err := http.ReadResponse(bufio.NewReader(r.conn), nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", answer.Status)
	}
	return nil
}

func tlsConfig(files *process.Files) *tls.Config {
	return &tls.Config{RootCAs: files.Roots, ServerName: process.Hosts()[0], MinVersion: tls.VersionTLS12}
}
