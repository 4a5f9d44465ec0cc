package serve

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/follower"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/servingcert"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/source"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/trouble"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/health"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/server"
)

const (
	// selfCheckTimeout is far longer than an answer takes and shorter than a
	// kubelet's patience with the probes that depend on it.
	selfCheckTimeout = 3 * time.Second
	// selfCheckEvery is how often the self check is made when nobody asks.
	selfCheckEvery = 10 * time.Second
	// stuckAfter is how old the last self check may be before the process counts
	// as stuck: it is made every selfCheckEvery and gives up after its timeout,
	// whatever it finds.
	stuckAfter = time.Minute
	// readyTimeout bounds all readiness checks together.
	readyTimeout = 4 * time.Second
)

// checks are what the server finds out about itself.
type checks struct {
	selfCheck     *health.SelfCheck
	configuration *source.Source
	certificates  *servingcert.Keeper
	followers     []*follower.Follower
	webhook       *server.Server
	turnedAway    *rejections
	options       Options
	troubles      *trouble.Log
}

// ready returns what "ready" means.
func (c *checks) ready() []health.Check {
	checks := []health.Check{
		{Name: "configuration", Run: c.checkConfiguration},
		health.CheckFunc("tls", c.selfCheck.Check),
		health.CheckFunc("certificate", func(context.Context) error { return c.certificates.CheckReady() }),
		health.CheckFunc("draining", c.checkNotDraining),
		{Name: "load", Run: c.turnedAway.check},
	}
	if c.followers != nil {
		checks = append(checks, health.CheckFunc("cluster", c.checkFollowers))
	}
	return checks
}

// alive returns what "alive" means.
func (c *checks) alive() []health.Check {
	return []health.Check{health.CheckFunc("self check", c.checkNotStuck)}
}

// checkConfiguration is good as long as some configuration is in force; the
// detail says when a newer one was refused, and why, or what it waits for.
func (c *checks) checkConfiguration(context.Context) (string, error) {
	state := c.configuration.State()
	if state.Hash == "" {
		return "", noConfiguration(state)
	}
	detail := fmt.Sprintf("hash %s in force since %s", state.Hash, state.LoadedAt.UTC().Format(time.RFC3339))
	switch {
	case state.Err != nil && state.Recorded:
		detail = fmt.Sprintf("serving the last good configuration, of %s, as it was recorded: hash %s", state.Since.UTC().Format(time.RFC3339), state.Hash)
	case state.Tolerated != nil:
		detail += fmt.Sprintf("; this version would refuse it, had another one not accepted it: %v", state.Tolerated)
	}
	if state.Err != nil {
		detail += fmt.Sprintf("; a newer one was refused at %s: %v", state.FailedAt.UTC().Format(time.RFC3339), state.Err)
	}
	if state.Waiting != "" {
		detail += "; a newer one waits: " + state.Waiting
	}
	return detail, nil
}

// noConfiguration says why nothing is in force.
func noConfiguration(state source.State) error {
	switch {
	case state.Waiting != "":
		return fmt.Errorf("there is no configuration yet: %s", state.Waiting)
	case state.Err != nil:
		return fmt.Errorf("there is no good configuration: %w", state.Err)
	}
	return errors.New("there is no configuration yet")
}

func (c *checks) checkNotDraining(context.Context) error {
	if c.webhook.Draining() {
		return fmt.Errorf("told to stop, serving for %s more", c.options.ShutdownDelay)
	}
	return nil
}

// checkFollowers waits for the first look at the cluster: pods decided on before
// it would differ from those after it. An API server that is away counts as
// looked at.
func (c *checks) checkFollowers(context.Context) error {
	for _, f := range c.followers {
		select {
		case <-f.Attempted():
		default:
			return fmt.Errorf("%s not read yet", f.What())
		}
	}
	return nil
}

// checkNotStuck fails when the self check was not even tried for long.
func (c *checks) checkNotStuck(context.Context) error {
	last := c.selfCheck.LastAttempt()
	if age := time.Since(last); !last.IsZero() && age > stuckAfter {
		return fmt.Errorf("the last self check was %s ago", age.Round(time.Second))
	}
	return nil
}

// keepChecking makes the self check now and then, and touches the health file
// after each good one where the flags say so.
func (c *checks) keepChecking(ctx context.Context) error {
	if c.options.HealthCheckInterval > 0 && c.options.HealthCheckFile != "" {
		return health.TouchFile(ctx, c.options.HealthCheckFile, c.options.HealthCheckInterval, c.checkUnlessDraining, c.options.Log)
	}
	ticker := time.NewTicker(selfCheckEvery)
	defer ticker.Stop()
	for {
		switch err := c.checkUnlessDraining(ctx); {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			c.troubles.Clear("self-check")
		case !errors.Is(err, health.ErrPaused):
			c.troubles.Report("self-check", err.Error())
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// checkUnlessDraining makes the self check. A server that drains is not healthy
// for probes, whose file grows old; but soon nobody answers, and that is no trouble.
func (c *checks) checkUnlessDraining(ctx context.Context) error {
	if c.webhook.Draining() {
		return health.ErrPaused
	}
	return c.selfCheck.Check(ctx)
}

// union returns the names in any of the lists, each once.
func union(lists ...[]string) []string {
	all := slices.Concat(lists...)
	slices.Sort(all)
	return slices.Compact(all)
}
