package memory

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/figures"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/pods"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/process"
)

// load sends the requests, in as many parts as there are samples, and takes the
// peak of the resident memory after each. When the time is over it ends with the
// part, and what was sent is what was measured. Every fourth pod is one more replica of
// a workload that was seen, the others are of new workloads.
func (p Plan) load(ctx context.Context, server *process.Server, files *process.Files, m *figures.Memory) error {
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: tlsConfig(files), MaxIdleConnsPerHost: p.Clients}}
	defer client.CloseIdleConnections()
	url := "https://127.0.0.1:" + server.Webhook + "/inject?timeout=30s"
	usage := server.Usage()
	cpu, err := usage.CPU()
	if err != nil {
		return err
	}
	begin := time.Now()
	var next, failed atomic.Int64
	for part := range samples {
		if part > 0 && p.over(time.Since(begin)) {
			break
		}
		if err := usage.Forget(); err != nil {
			return err
		}
		end := int64(p.Requests * (part + 1) / samples)
		if err := p.part(ctx, client, url, &next, &failed, end); err != nil {
			return err
		}
		peak, err := usage.Peak()
		if err != nil {
			return err
		}
		m.Samples = append(m.Samples, figures.MemorySample{Requests: int(end), MiB: peak})
		m.Requests = int(end)
		if part == 0 {
			fmt.Fprintf(p.Progress, "%d requests, some %s ...\n", p.Requests, p.expected(time.Since(begin)))
		}
	}
	took := time.Since(begin)
	after, err := usage.CPU()
	if err != nil {
		return err
	}
	m.Failed = int(failed.Load())
	m.PerSecond = float64(m.Requests) / took.Seconds()
	m.CPUMicroseconds = float64((after - cpu).Microseconds()) / float64(m.Requests)
	return nil
}

// over reports whether the requests have had their time.
func (p Plan) over(took time.Duration) bool { return p.Most > 0 && took >= p.Most }

// expected is how long all parts will take when the first one took so long.
func (p Plan) expected(first time.Duration) time.Duration {
	all := first * samples
	if p.Most > 0 {
		all = min(all, p.Most)
	}
	return all.Round(time.Second)
}

// part sends requests until number end has been taken.
func (p Plan) part(ctx context.Context, client *http.Client, url string, next, failed *atomic.Int64, end int64) error {
	var all sync.WaitGroup
	errs := make(chan error, p.Clients)
	for range p.Clients {
		all.Go(func() {
			reviews, err := pods.NewReviews(p.Shape.Pod)
			if err != nil {
				errs <- err
				return
			}
			for ctx.Err() == nil {
				n := next.Add(1)
				if n > end {
					next.Add(-1)
					return
				}
				workload := uint32(n)
				if n%4 == 0 {
					workload = uint32(n - 1)
				}
				if err := send(ctx, client, url, reviews.Review(workload, uint32(n))); err != nil {
					failed.Add(1)
				}
			}
		})
	}
	all.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return ctx.Err()
	}
}

func send(ctx context.Context, client *http.Client, url string, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", answer.Status)
	}
	return nil
}
