package admission

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/fair"
)

// A call waits for its turn no longer than its caller waits for the answer, who
// says so in the query. These are the default and the maximum of a webhook's
// timeoutSeconds in Kubernetes.
const (
	defaultTimeout = 10 * time.Second
	maxTimeout     = 30 * time.Second
)

// The answer must be on its way before the caller's time is over: a tenth of that
// time, at most half a second, is kept for sending it.
const (
	marginShare = 10
	maxMargin   = 500 * time.Millisecond
)

// answerTime is how long a caller may take to read the answer.
const answerTime = 10 * time.Second

// call is one request on its way, and what it holds.
type call struct {
	room    *room
	peer    string
	control *http.ResponseController
	// ctx ends when the caller has gone, its time is over, or the call has to yield;
	// its cause is a *Rejection then.
	ctx    context.Context
	cancel context.CancelCauseFunc
	stop   context.CancelFunc
	stage  atomic.Int32

	reading, place, bytes *fair.Holding // nil before it has them
	held                  int64         // bytes
	giant                 bool          // bytes are of the pool for large ones
}

// The stages of a call, which say how it can be interrupted.
const (
	stageReading = iota
	stageWaiting
	stageWriting
)

// newCall returns a call that ends when its caller stops waiting.
func (m *room) newCall(w http.ResponseWriter, r *http.Request, peer string) *call {
	c := &call{room: m, peer: peer, control: http.NewResponseController(w)}
	ctx, cancel := context.WithCancelCause(r.Context())
	c.cancel = cancel
	c.ctx, c.stop = context.WithTimeoutCause(ctx, budget(r), m.rejection(peer, limitTime))
	return c
}

// end gives back all that the call holds.
func (c *call) end() {
	for _, h := range []*fair.Holding{c.reading, c.place, c.bytes} {
		if h != nil {
			h.Release()
		}
	}
	c.stop()
	c.cancel(nil)
}

// hold takes an amount of the pool that the limit is named after.
func (c *call) hold(p *fair.Pool, limit string, amount int64) (*fair.Holding, error) {
	h := p.Take(c.peer, amount, fair.Busy, func() { c.yield(limit) })
	if h == nil {
		return nil, c.room.rejection(c.peer, limit)
	}
	return h, nil
}

// yield ends the call for one of another peer, wherever it is. It does not wait.
func (c *call) yield(limit string) {
	c.cancel(c.room.rejection(c.peer, limit))
	switch past := time.Unix(1, 0); c.stage.Load() {
	case stageReading:
		_ = c.control.SetReadDeadline(past)
	case stageWriting:
		_ = c.control.SetWriteDeadline(past)
	}
}

// enter gives the call a place, now that its body is in.
func (c *call) enter() (err error) {
	c.stage.Store(stageWaiting)
	if err := context.Cause(c.ctx); err != nil {
		return err
	}
	if c.place, err = c.hold(c.room.places, limitRequests, 1); err != nil {
		return err
	}
	c.reading.Release()
	return nil
}

// begin waits until there is memory for the work, of which the cost is an estimate.
// From then on the call yields to nobody until done is called.
func (c *call) begin(cost int64) (done func(), err error) {
	gate := c.room.large
	if cost <= smallCost {
		gate = c.room.small
	}
	leave, err := gate.Enter(c.ctx, c.peer, cost)
	if err != nil {
		return nil, err
	}
	c.place.Mark(fair.Fixed)
	c.bytes.Mark(fair.Fixed)
	if err := context.Cause(c.ctx); err != nil { // it had to yield a moment before
		leave()
		return nil, err
	}
	return leave, nil
}

// answers says that the work is done and its answer, which takes this many bytes, is
// to be sent. From here on the call may yield again.
func (c *call) answers(size int) {
	c.stage.Store(stageWriting)
	_ = c.control.SetWriteDeadline(time.Now().Add(answerTime))
	if size > smallBody {
		// It is there already, so it is not refused the room.
		_ = c.becomeGiant(0)
	}
	c.bytes.Set(int64(size))
	c.bytes.Mark(fair.Busy)
	c.place.Mark(fair.Busy)
}

// budget returns how long a call may take until its answer is sent.
func budget(r *http.Request) time.Duration {
	d := timeout(r)
	return d - min(d/marginShare, maxMargin)
}

// timeout returns how long the caller waits for an answer, which API servers say
// in the query.
func timeout(r *http.Request) time.Duration {
	d, err := time.ParseDuration(r.URL.Query().Get("timeout"))
	if err != nil || d <= 0 {
		return defaultTimeout
	}
	return min(d, maxTimeout)
}
