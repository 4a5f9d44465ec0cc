package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/admission"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/health"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/server"
)

const (
	// healthPath is what the self check asks for on the webhook's port.
	healthPath = "/healthz"
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

// webhookHandler serves the TLS port. It does its own routing: the standard
// mux answers a path such as /inject//x by a redirect, and API servers follow
// none.
func (s *service) webhookHandler() http.Handler {
	inject := server.Limit(admission.NewHandler(admission.Config{
		Engine:   s.engine,
		Observe:  observer(s.metrics, s.log),
		Parallel: 2 * runtime.GOMAXPROCS(0),
	}), server.Limits{
		Unsized:  admission.MaxBodyBytes,
		InFlight: s.metrics.InFlight,
		Rejected: s.metrics.Rejected,
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/inject", strings.HasPrefix(r.URL.Path, "/inject/"):
			inject.ServeHTTP(w, r)
		case r.URL.Path == healthPath:
			_, _ = io.WriteString(w, "ok\n")
		default:
			http.Error(w, "nothing is served here: post an AdmissionReview to /inject", http.StatusNotFound)
		}
	})
}

// monitoringHandler serves the plain port. Nothing there is secret.
func (s *service) monitoringHandler() http.Handler {
	ready := health.NewSet("ready", readyTimeout, s.log, s.readyChecks()...)
	s.metrics.Readiness(ready.Outcomes)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.metrics.Handler())
	mux.Handle("GET /healthz", health.NewSet("alive", readyTimeout, s.log, health.CheckFunc("self check", s.checkNotStuck)))
	mux.Handle("GET /readyz", ready)
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.build) })
	mux.HandleFunc("GET /debug/config", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.debugConfig()) })
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "there is: GET /metrics /healthz /readyz /version /debug/config", http.StatusNotFound)
	})
	return mux
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(v) // the caller went away
}

// readyChecks are what "ready" means.
func (s *service) readyChecks() []health.Check {
	checks := []health.Check{
		{Name: "configuration", Run: s.checkConfiguration},
		health.CheckFunc("tls", s.selfCheck.Check),
		health.CheckFunc("certificate", func(context.Context) error { return s.readiness.Check() }),
		health.CheckFunc("draining", func(context.Context) error {
			if s.webhook.Draining() {
				return fmt.Errorf("told to stop, serving for %s more", s.o.shutdownDelay)
			}
			return nil
		}),
	}
	if s.followers != nil {
		checks = append(checks, health.CheckFunc("cluster", s.checkFollowers))
	}
	return checks
}

// checkConfiguration is good as long as some configuration is in force; the
// detail tells when a newer one was refused.
func (s *service) checkConfiguration(context.Context) (string, error) {
	state := s.configuration.State()
	detail := fmt.Sprintf("hash %s in force since %s", state.Hash, state.LoadedAt.UTC().Format(time.RFC3339))
	if state.Err != nil {
		detail += fmt.Sprintf("; a newer one was refused at %s: %v", state.FailedAt.UTC().Format(time.RFC3339), state.Err)
	}
	return detail, nil
}

// checkFollowers waits for the first look at the cluster: pods decided on before
// it would differ from those after it. An API server that is away counts as
// looked at.
func (s *service) checkFollowers(context.Context) error {
	for _, f := range s.followers {
		select {
		case <-f.attempted:
		default:
			return fmt.Errorf("%s not read yet", f.what)
		}
	}
	return nil
}

// checkNotStuck fails when the self check was not even tried for long.
func (s *service) checkNotStuck(context.Context) error {
	last := s.selfCheck.LastAttempt()
	if age := time.Since(last); !last.IsZero() && age > stuckAfter {
		return fmt.Errorf("the last self check was %s ago", age.Round(time.Second))
	}
	return nil
}

// keepChecking makes the self check now and then, and touches the health file
// after each good one where the flags say so. A server that drains is not
// healthy for probes: its file grows old.
func (s *service) keepChecking(ctx context.Context) error {
	check := func(ctx context.Context) error {
		if s.webhook.Draining() {
			return health.ErrPaused // soon nobody answers, and that is no trouble
		}
		return s.selfCheck.Check(ctx)
	}
	if s.o.healthCheckInterval > 0 && s.o.healthCheckFile != "" {
		return health.TouchFile(ctx, s.o.healthCheckFile, s.o.healthCheckInterval, check, s.log)
	}
	ticker := time.NewTicker(selfCheckEvery)
	defer ticker.Stop()
	for {
		switch err := check(ctx); {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			s.trouble.Clear("self-check")
		case !errors.Is(err, health.ErrPaused):
			s.trouble.Report("self-check", err.Error())
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}
