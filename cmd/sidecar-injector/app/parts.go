package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// parts are the long-running pieces of the program beside the webhook server.
// They outlive the signal to stop, because a server that drains still needs its
// certificates and answers probes. The first one to end by itself ends all.
type parts struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup
}

// errStopped is the cause when the parts were told to stop.
var errStopped = errors.New("stopped")

func newParts(ctx context.Context) *parts {
	p := &parts{}
	p.ctx, p.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	return p
}

// start runs a part until it ends or the parts are stopped.
func (p *parts) start(name string, run func(context.Context) error) {
	p.wg.Go(func() {
		err := run(p.ctx)
		if p.ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("ended by itself")
		}
		p.cancel(fmt.Errorf("%s: %w", name, err))
	})
}

// stop ends all parts, waits for them, and returns why the first one failed, if
// one did.
func (p *parts) stop() error {
	p.cancel(errStopped)
	p.wg.Wait()
	if err := context.Cause(p.ctx); !errors.Is(err, errStopped) {
		return err
	}
	return nil
}
