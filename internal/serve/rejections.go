package serve

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/trouble"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/admission"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/metrics"
)

// The limits that turn callers away before they are calls.
const (
	limitConnections = "connections"
	limitIdentity    = "identity" // the name in a caller's certificate
)

// recently is for how long readiness tells of calls that were turned away: a few
// periods of a probe and of a scrape.
const recently = time.Minute

// rejections counts who is turned away, logs some of them, and remembers for a time
// that there were any.
type rejections struct {
	metrics *metrics.Metrics
	log     *slog.Logger
	rate    *trouble.Rate
	clock   clock.PassiveClock

	mu      sync.Mutex
	current window
	before  window
}

// window is what was turned away within a span of time that is recently long.
type window struct {
	begin  time.Time
	limits map[string]int
	peer   string // of the last one
}

func newRejections(m *metrics.Metrics, log *slog.Logger, c clock.PassiveClock) *rejections {
	return &rejections{metrics: m, log: log, rate: trouble.NewRate(c), clock: c}
}

// connection notes a connection that was closed because there are too many.
func (r *rejections) connection(peer string) {
	r.note(peer, limitConnections, "too many connections: the peer that has the most yields")
}

// call notes a call of the webhook.
func (r *rejections) call(a *admission.Rejection) { r.note(a.Peer, a.Limit, a.Message) }

// identity notes a caller whose certificate is good and whose name is not.
func (r *rejections) identity(name string) {
	r.note(name, limitIdentity, "the certificate has no name of --clientNames")
}

// note is called for each, however many there are, and does not wait.
func (r *rejections) note(peer, limit, sentence string) {
	r.metrics.Rejected(limit)
	r.mu.Lock()
	r.turn()
	if r.current.limits == nil {
		r.current.limits = map[string]int{}
	}
	r.current.limits[limit]++
	r.current.peer = peer
	r.mu.Unlock()
	if due, skipped := r.rate.Due(limit); due {
		r.log.Warn("a caller was turned away", "limit", limit, "peer", peer, "reason", sentence, "notLogged", skipped)
	}
}

// turn begins a new window when the current one is over.
func (r *rejections) turn() {
	switch now := r.clock.Now(); {
	case now.Sub(r.current.begin) < recently:
	case now.Sub(r.current.begin) < 2*recently:
		r.before, r.current = r.current, window{begin: now}
	default:
		r.before, r.current = window{}, window{begin: now}
	}
}

// check tells of those who were turned away within the last minute or two. It never
// fails: a server that is not ready gets no calls at all, and what its callers would
// send to the others is what was too much for it.
func (r *rejections) check(context.Context) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn()
	sum := maps.Clone(r.before.limits)
	if sum == nil {
		sum = map[string]int{}
	}
	all := 0
	for limit, n := range r.current.limits {
		sum[limit] += n
	}
	parts := make([]string, 0, len(sum))
	for _, limit := range slices.Sorted(maps.Keys(sum)) {
		all += sum[limit]
		parts = append(parts, fmt.Sprintf("%s %d", limit, sum[limit]))
	}
	if all == 0 {
		return "nobody was turned away lately", nil
	}
	peer := r.current.peer
	if peer == "" {
		peer = r.before.peer
	}
	return fmt.Sprintf("%d callers were turned away lately (%s), the last one %s: see sidecar_injector_rejected_total", all, strings.Join(parts, ", "), peer), nil
}
