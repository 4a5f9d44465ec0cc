//go:build integration

package certjob

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/test/replicas"
)

// jobs runs them one after the other, as the chart's CronJob does, which
// forbids two at a time.
type jobs struct {
	ran    int
	errs   []error
	cancel func()
	done   sync.WaitGroup
}

func startJobs(ctx context.Context, site *replicas.Site) *jobs {
	asked := make(chan struct{})
	j := &jobs{cancel: sync.OnceFunc(func() { close(asked) })}
	j.done.Go(func() {
		for {
			if out, err := site.RunJob(ctx); err != nil && ctx.Err() == nil {
				j.errs = append(j.errs, fmt.Errorf("job: %w: %s", err, replicas.Tail(out, 5)))
			}
			j.ran++
			select {
			case <-asked:
				return
			case <-ctx.Done():
				return
			case <-time.After(schedule):
			}
		}
	})
	return j
}

// stop lets the job that runs come to its end, and returns what failed.
func (j *jobs) stop() []error {
	j.cancel()
	j.done.Wait()
	return j.errs
}
