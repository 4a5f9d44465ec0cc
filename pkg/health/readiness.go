package health

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Check is one condition that must hold.
type Check struct {
	// Name is short and stable: "configuration".
	Name string
	// Run returns an error when the condition does not hold, and otherwise may
	// return a detail for people.
	Run func(ctx context.Context) (detail string, err error)
}

// CheckFunc returns a Check that runs a function which reports no detail.
func CheckFunc(name string, run func(ctx context.Context) error) Check {
	return Check{Name: name, Run: func(ctx context.Context) (string, error) { return "", run(ctx) }}
}

// Set runs checks together.
type Set struct {
	name    string
	timeout time.Duration
	log     *slog.Logger
	checks  []Check

	mu   sync.Mutex
	last string // what was logged last
}

// NewSet returns a set whose name says what all of its checks together mean:
// "ready". A check that takes longer than timeout has failed. A change of the
// outcome is logged.
func NewSet(name string, timeout time.Duration, log *slog.Logger, checks ...Check) *Set {
	return &Set{name: name, timeout: timeout, log: log, checks: checks}
}

// Run runs all checks at the same time. The report has a line for each, in their
// order; err joins the errors of those that failed.
func (s *Set) Run(ctx context.Context) (report string, err error) {
	outcomes, err := s.run(ctx)
	var b strings.Builder
	for i, c := range s.checks {
		mark, text := "[+]", outcomes[i].detail
		if outcomes[i].err != nil {
			mark, text = "[-]", outcomes[i].err.Error()
		}
		if text == "" {
			text = "ok"
		}
		fmt.Fprintf(&b, "%s %s: %s\n", mark, c.Name, strings.ReplaceAll(text, "\n", "; "))
	}
	return b.String(), err
}

// Outcomes runs all checks like Run and reports, by their names, which succeeded.
func (s *Set) Outcomes(ctx context.Context) map[string]bool {
	outcomes, _ := s.run(ctx)
	good := make(map[string]bool, len(outcomes))
	for i, c := range s.checks {
		good[c.Name] = outcomes[i].err == nil
	}
	return good
}

// outcome is what a check found.
type outcome struct {
	detail string
	err    error
}

func (s *Set) run(ctx context.Context) ([]outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	outcomes := make([]outcome, len(s.checks))
	var wg sync.WaitGroup
	for i, c := range s.checks {
		wg.Go(func() { outcomes[i] = runCheck(ctx, c) })
	}
	wg.Wait()

	var failed []error
	for i, c := range s.checks {
		if err := outcomes[i].err; err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", c.Name, err))
		}
	}
	err := errors.Join(failed...)
	s.logChange(err)
	return outcomes, err
}

// runCheck runs a check, but does not wait for one that ignores its context.
func runCheck(ctx context.Context, c Check) outcome {
	done := make(chan outcome, 1)
	go func() {
		detail, err := c.Run(ctx)
		done <- outcome{detail, err}
	}()
	select {
	case o := <-done:
		return o
	case <-ctx.Done():
		return outcome{err: fmt.Errorf("no answer in time: %w", ctx.Err())}
	}
}

func (s *Set) logChange(err error) {
	now := s.name
	if err != nil {
		now = "not " + s.name
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now == s.last {
		return
	}
	s.last = now
	if err != nil {
		s.log.Warn(now, "error", err)
	} else {
		s.log.Info(now)
	}
}

// ServeHTTP answers 200 or 503 with the report.
func (s *Set) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	report, err := s.Run(r.Context())
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	end := s.name
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		end = "not " + s.name
	}
	fmt.Fprintf(w, "%s%s\n", report, end)
}
