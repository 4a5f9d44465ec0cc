// Package follower runs what follows objects in the API server for as long as the
// program runs, and knows when they were first looked at.
package follower

import (
	"context"
	"sync"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/trouble"
)

// Func follows objects until ctx ends, and tries failed calls again for ever, as
// [kube.Follow] and [kube.FollowAll] do. It calls known when the objects are known
// as they are, and failed with every failed call, and with nil after one that
// succeeds.
type Func func(ctx context.Context, known func(), failed func(error))

// Follower is a Func with its state for logs and for readiness.
type Follower struct {
	what    string
	trouble *trouble.Log
	follow  Func

	attempted chan struct{}
	once      sync.Once
}

// New returns a follower that does not run yet. what names the objects in
// messages, for example "configmap istio-system/istio".
func New(what string, log *trouble.Log, follow Func) *Follower {
	return &Follower{what: what, trouble: log, follow: follow, attempted: make(chan struct{})}
}

// What names the objects.
func (f *Follower) What() string { return f.what }

// Attempted is closed when the first attempt to read the objects has ended, well
// or not: from then on waiting for them may be in vain.
func (f *Follower) Attempted() <-chan struct{} { return f.attempted }

// Run follows until ctx is done; then it returns nil. A failure that lasts is
// logged once.
func (f *Follower) Run(ctx context.Context) error {
	f.follow(ctx, f.attempt, func(err error) {
		if err == nil {
			f.trouble.Clear("follow " + f.what)
			return
		}
		failure := &kube.Error{Verb: "list and watch", Object: f.what, Err: err}
		f.trouble.Report("follow "+f.what, failure.Error()+"; trying again until it works")
		f.attempt()
	})
	return nil
}

func (f *Follower) attempt() { f.once.Do(func() { close(f.attempted) }) }
