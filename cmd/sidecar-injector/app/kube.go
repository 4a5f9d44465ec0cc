package app

import (
	"context"
	"sync"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/trouble"
)

// follower follows something in the API server, for ever: an API server that is
// away is tried again with backoff.
type follower struct {
	// what is followed, for messages: `configmap istio-system/istio`.
	what string
	// follow does it until ctx ends. It gives every failure to failed, and nil when
	// it works again.
	follow func(ctx context.Context, failed func(error))
	// noticed is told of both, too; may be nil.
	noticed func(error)
	trouble *trouble.Log

	// attempted is closed when it is known whether the first attempt went well.
	attempted chan struct{}
	once      sync.Once
}

// Run follows until ctx is done; then it returns nil.
func (f *follower) Run(ctx context.Context) error {
	f.follow(ctx, func(err error) {
		if err == nil {
			f.trouble.Clear("follow " + f.what)
		} else {
			f.trouble.Report("follow "+f.what, (&kube.Error{Verb: "list and watch", Object: f.what, Err: err}).Error()+"; trying again until it works")
			f.attempt()
		}
		if f.noticed != nil {
			f.noticed(err)
		}
	})
	return nil
}

func (f *follower) attempt() { f.once.Do(func() { close(f.attempted) }) }
