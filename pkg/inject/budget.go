package inject

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
)

// budget is the time for one request: the steps share it, and each looks whether
// there is any left. The work ends with ctx, because nobody waits for its result any
// more.
type budget struct {
	ctx   context.Context
	begin time.Time
	// step is what is being done, for the message.
	step string
}

// enter begins a step. The error refuses the request because its time is over.
func (b *budget) enter(step string) error {
	b.step = step
	if b.ctx.Err() != nil {
		return b.over()
	}
	return nil
}

// of returns the error by which a step has ended: as it is, or, if the step ended
// because the time is over, the one that says so.
func (b *budget) of(err error) error {
	if err != nil && b.ctx.Err() != nil && errors.Is(err, b.ctx.Err()) {
		return b.over()
	}
	return err
}

// over refuses the request because its time is over, or its caller has gone.
func (b *budget) over() error {
	err := b.ctx.Err()
	if deadline, ok := b.ctx.Deadline(); ok && errors.Is(err, context.DeadlineExceeded) {
		allowed := max(deadline.Sub(b.begin), 0).Round(time.Millisecond)
		return refuse(decide.DeadlineExceeded, fmt.Errorf("the time that the caller allows, %s, was over while the injector was %s: try again; if it stays so, the injector needs more processors, or the pod is too large: %w", allowed, b.step, err))
	}
	return refuse(decide.DeadlineExceeded, fmt.Errorf("the caller went away while the injector was %s: %w", b.step, err))
}

// The steps, as messages name them.
const (
	stepDecode   = "reading the pod"
	stepDecide   = "deciding about the pod"
	stepPrepare  = "reading the pod's annotations"
	stepStrip    = "taking an earlier injection out of the pod"
	stepRender   = "rendering the templates"
	stepMerge    = "merging the templates into the pod"
	stepFinish   = "adapting the pod to its sidecar"
	stepRecord   = "recording what was injected"
	stepPatch    = "writing the patch"
	stepSecurity = "checking the pod's security level"
)
