//go:build integration && linux

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

// counts of a time.
type counts struct {
	Calls, Failed   int
	Slowest         time.Duration
	Probes, Unheard int
	Errs            []string // the first few
}

func (c *counts) add(more counts) {
	c.Calls, c.Failed, c.Slowest = c.Calls+more.Calls, c.Failed+more.Failed, max(c.Slowest, more.Slowest)
	c.Probes, c.Unheard = c.Probes+more.Probes, c.Unheard+more.Unheard
}

func (c *counts) note(format string, args ...any) {
	if len(c.Errs) < 3 {
		c.Errs = append(c.Errs, fmt.Sprintf(format, args...))
	}
}

// neighbours are those that must not notice an attack: a client with good pods,
// and a kubelet.
type neighbours struct {
	server *injector
	body   []byte
	// right says what is wrong with the patch of a good pod.
	right func(patch []byte) error

	mu    sync.Mutex
	since counts // since the last take
}

// goodPod is a usual one, of two containers.
func goodPod() ([]byte, error) { return json.Marshal(pods.WithVariables(20)) }

// newNeighbours learns what the right answer is, while nobody else calls. With
// sets, which of both sets it is may change.
func newNeighbours(ctx context.Context, s *injector, sets bool) (*neighbours, error) {
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
		if sets {
			_, err := setOf(patch)
			return err
		}
		if !bytes.Equal(patch, calm.response.Patch) {
			return errors.New("another patch than before the attacks")
		}
		return nil
	}
	return n, nil
}

// run calls and probes until the context is done and what is under way has ended.
func (n *neighbours) run(ctx context.Context) {
	var all sync.WaitGroup
	all.Go(func() { n.call(ctx) })
	all.Go(func() { n.probe(ctx) })
	all.Wait()
}

// take returns what happened since the last time.
func (n *neighbours) take() counts {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.since
	n.since = counts{}
	return c
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
	n.since.Calls++
	n.since.Slowest = max(n.since.Slowest, a.took)
	var wrong error
	if a.allowed() {
		wrong = n.right(a.response.Patch)
	} else {
		wrong = errors.New(a.String())
	}
	if wrong != nil {
		n.since.Failed++
		n.since.note("good call: %v", wrong)
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
			n.since.Probes++
			if err != nil {
				n.since.Unheard++
				n.since.note("probe %s: %v", path, err)
			}
			n.mu.Unlock()
		}
	}
}
