// Package rungroup runs the long-running parts of a program: the first one that
// ends by itself ends all.
package rungroup

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Group is a set of running parts.
type Group struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup
}

// errStopped is the cause when the group was told to stop.
var errStopped = errors.New("stopped")

// New returns a group without parts. They outlive ctx, of which only the values
// count: a server that drains after the signal to stop still needs its
// certificates and answers probes. Stop ends them.
func New(ctx context.Context) *Group {
	g := &Group{}
	g.ctx, g.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	return g
}

// Go runs a part until it returns or the group is stopped. When it returns before
// that, with an error or without, the whole group ends.
func (g *Group) Go(name string, run func(context.Context) error) {
	g.wg.Go(func() {
		err := run(g.ctx)
		if g.ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("ended by itself")
		}
		g.cancel(fmt.Errorf("%s: %w", name, err))
	})
}

// Bind returns a context that ends with ctx and with the group.
func (g *Group) Bind(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(g.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

// Stop ends all parts, waits for them, and returns the error of the part that
// ended by itself, if one did.
func (g *Group) Stop() error {
	g.cancel(errStopped)
	g.wg.Wait()
	if err := context.Cause(g.ctx); !errors.Is(err, errStopped) {
		return err
	}
	return nil
}
