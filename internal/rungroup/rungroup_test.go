package rungroup

import (
	"context"
	"errors"
	"testing"
)

func untilDone(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestStop(t *testing.T) {
	signal, stop := context.WithCancel(t.Context())
	g := New(signal)
	running := make(chan struct{})
	g.Go("server", func(ctx context.Context) error {
		close(running)
		return untilDone(ctx)
	})
	bound, cancel := g.Bind(signal)
	defer cancel()
	stop()
	<-bound.Done()
	<-running
	if err := g.ctx.Err(); err != nil {
		t.Errorf("the parts end with the signal to stop: %v", err)
	}
	if err := g.Stop(); err != nil {
		t.Errorf("a group that was stopped failed with %v", err)
	}
}

func TestThePartThatEndsFirstEndsAll(t *testing.T) {
	broken := errors.New("port lost")
	for name, c := range map[string]struct {
		ends error
		want string
	}{
		"with an error":    {broken, "monitoring: port lost"},
		"without an error": {nil, "monitoring: ended by itself"},
	} {
		t.Run(name, func(t *testing.T) {
			g := New(t.Context())
			g.Go("server", untilDone)
			bound, cancel := g.Bind(t.Context())
			defer cancel()
			g.Go("monitoring", func(context.Context) error { return c.ends })
			<-bound.Done()
			err := g.Stop()
			if err == nil || err.Error() != c.want || c.ends != nil && !errors.Is(err, broken) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}
