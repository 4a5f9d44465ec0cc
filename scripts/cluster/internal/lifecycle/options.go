// Package lifecycle brings clusters up and down, and tells how they are.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/parts"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/state"
)

// Options of what is done with one cluster.
type Options struct {
	Name          string
	Mode          state.Mode
	StateDir      string // holds a folder for each cluster
	Builder       parts.Builder
	APIServerArgs []string
	// Say prints one line about what was done.
	Say func(format string, args ...any)
}

// Dir is the cluster's folder.
func (o Options) Dir() string { return filepath.Join(o.StateDir, o.Name) }

// ErrNotUp says that there is no cluster to do something with.
var ErrNotUp = errors.New("is not up")

func (o Options) notUp() error {
	return fmt.Errorf("cluster %q %w: start it with up", o.Name, ErrNotUp)
}

// lock makes this the only launcher that works on the cluster. The lock file
// is outside the cluster's folder, which comes and goes.
func (o Options) lock(ctx context.Context) (unlock func(), err error) {
	locks := filepath.Join(o.StateDir, ".locks")
	if err := os.MkdirAll(locks, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the state folder: %w", err)
	}
	return parts.Lock(ctx, filepath.Join(locks, o.Name), func() {
		o.Say("waiting for another launcher that works on cluster %q", o.Name)
	})
}

// await calls check until it succeeds, and gives up when ctx does, after
// timeout, or as soon as dead finds that waiting is useless.
func await(ctx context.Context, what string, timeout time.Duration, dead, check func() error) error {
	deadline := time.Now().Add(timeout)
	for {
		err := check()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := dead(); err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s not ready after %s: %w", what, timeout, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(40 * time.Millisecond):
		}
	}
}
