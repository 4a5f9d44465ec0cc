//go:build integration

package hostile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/pods"
)

const (
	// between is the time from one good call to the next, answered or not.
	between = 30 * time.Millisecond
	// goodTimeout is the chart's for the webhook.
	goodTimeout = 10 * time.Second
	// slowest is how long a good call may take.
	slowest = time.Second
	// A kubelet asks each second and waits for one, which are its defaults.
	probeBetween = 500 * time.Millisecond
	probeTimeout = time.Second
)

// neighbours are those that must not notice an attack: a client with good pods,
// and a kubelet.
type neighbours struct {
	server *injector
	body   []byte
	// right says what is wrong with the patch of a good pod.
	right func(patch []byte) error

	stop context.CancelFunc
	done sync.WaitGroup

	mu    sync.Mutex
	since counts // since the last take
}

// counts of a time.
type counts struct {
	calls, failed   int
	slowest         time.Duration
	probes, unheard int
	errs            []error // the first few
}

func (c *counts) add(more counts) {
	c.calls, c.failed, c.slowest = c.calls+more.calls, c.failed+more.failed, max(c.slowest, more.slowest)
	c.probes, c.unheard = c.probes+more.probes, c.unheard+more.unheard
}

func (c *counts) note(format string, args ...any) {
	if len(c.errs) < 3 {
		c.errs = append(c.errs, fmt.Errorf(format, args...))
	}
}

// goodPod is a usual one, of two containers.
func goodPod() ([]byte, error) { return json.Marshal(pods.WithVariables(20)) }

// startNeighbours learns what the right answer is, while nobody else calls, and
// begins.
func startNeighbours(ctx context.Context, s *injector) (*neighbours, error) {
	pod, err := goodPod()
	if err != nil {
		return nil, err
	}
	n := &neighbours{server: s, body: review(pod)}
	calm := s.newCaller(goodAddress, true).send(ctx, n.body, goodTimeout)
	if !calm.allowed() {
		return nil, fmt.Errorf("a good pod before any attack: %s", calm)
	}
	if err := injectedOnce(pod, calm.response.Patch, notEvil); err != nil {
		return nil, fmt.Errorf("a good pod before any attack: %w", err)
	}
	n.right = func(patch []byte) error {
		if !bytes.Equal(patch, calm.response.Patch) {
			return errors.New("another patch than before the attacks")
		}
		return nil
	}
	ctx, n.stop = context.WithCancel(ctx)
	n.done.Go(func() { n.call(ctx) })
	n.done.Go(func() { n.probe(ctx) })
	return n, nil
}

// end waits for what is under way.
func (n *neighbours) end() {
	n.stop()
	n.done.Wait()
}

// take returns what happened since the last time.
func (n *neighbours) take() counts {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.since
	n.since = counts{}
	return c
}

// judge replaces what is right.
func (n *neighbours) judge(right func(patch []byte) error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.right = right
}

// call sends a good pod every 30 ms, whether the last is answered or not; each
// fifth on a new connection, because API servers make new ones too.
func (n *neighbours) call(ctx context.Context) {
	kept, fresh := n.server.newCaller(goodAddress, false), n.server.newCaller(goodAddress, true)
	defer kept.http.CloseIdleConnections()
	var open sync.WaitGroup
	defer open.Wait()
	tick := time.NewTicker(between)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		by := kept
		if i%5 == 4 {
			by = fresh
		}
		open.Go(func() {
			// What is under way when the test ends is still judged.
			a := by.send(context.WithoutCancel(ctx), n.body, goodTimeout)
			n.count(a)
		})
	}
}

func (n *neighbours) count(a answer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.since.calls++
	n.since.slowest = max(n.since.slowest, a.took)
	var wrong error
	if a.allowed() {
		wrong = n.right(a.response.Patch)
	} else {
		wrong = errors.New(a.String())
	}
	if wrong != nil {
		n.since.failed++
		n.since.note("good call: %w", wrong)
	}
}

// probe asks as the chart's probes do.
func (n *neighbours) probe(ctx context.Context) {
	tick := time.NewTicker(probeBetween)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, path := range []string{"/healthz", "/readyz"} {
			asked, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeTimeout)
			_, err := n.server.page(asked, kubeletAddress, path)
			cancel()
			n.mu.Lock()
			n.since.probes++
			if err != nil {
				n.since.unheard++
				n.since.note("probe %s: %w", path, err)
			}
			n.mu.Unlock()
		}
	}
}
