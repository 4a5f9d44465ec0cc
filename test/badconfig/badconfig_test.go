//go:build e2e

// Package badconfig proves on a real cluster that a bad configuration cannot get in,
// and cannot outlive a good one: every mistake of a table is made in every way in
// which people and programs change the configuration, with the guard, without it,
// and while no server is there to be asked. Pods are created without a pause.
package badconfig

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/lab"
)

// modeEnv, when it is "long", has every mistake tried in every way and mode, and
// all servers restarted after each; which takes an hour.
const modeEnv = "CONFIG"

// casesEnv names the mistakes to be tried, by parts of their names, separated by
// semicolons; without it, all are.
const casesEnv = "CONFIG_CASES"

func long() bool { return os.Getenv(modeEnv) == "long" }

func wanted(name string) bool {
	list := os.Getenv(casesEnv)
	if list == "" {
		return true
	}
	for part := range strings.SplitSeq(list, ";") {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// mode is what stands in the way of a mistake.
type mode struct {
	name string
	// guard is whether the chart's webhook for its ConfigMaps is there.
	guard bool
	// down is whether all servers are away while the change is written.
	down bool
}

var modes = []mode{
	{name: "guard", guard: true},
	{name: "no guard"},
	{name: "no server", guard: true, down: true},
}

func TestBadConfigurations(t *testing.T) {
	limit := 12 * time.Minute
	if long() {
		limit = 3 * time.Hour
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	// An interrupt ends the test, and so takes the cluster down.
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	s := install(ctx, t)
	s.startLoad(ctx)
	for _, m := range modes {
		s.Run(m.name, func(t *testing.T) { s.mode(ctx, t, m) })
	}
	for _, story := range stories() {
		if wanted(story.name) {
			s.Run(story.name, func(t *testing.T) { story.tell(ctx, s, t) })
		}
	}
	s.stopLoad()

	lab.Figure(t, fmt.Sprintf("config: cases %d, refused before stored %d, wrongly in force %d, restarts survived %d, failed admissions %d",
		s.sum.cases, s.sum.refused, s.sum.wrong, s.sum.survived, s.sum.failed))
	lab.Figure(t, fmt.Sprintf("config: tries %d, stored %d, restarts %d, good changes %d, in force after %d ms at the most; recorded after %d ms at the most; pods created meanwhile %d",
		s.sum.tries, s.sum.stored, s.sum.restarts, s.sum.goods, s.sum.slowest.Milliseconds(), s.sum.latest.Milliseconds(), s.sum.created))
	for _, reason := range s.sum.reasons {
		t.Log("failed admission:", reason)
	}
	if s.sum.wrong != 0 || s.sum.failed != 0 || s.sum.survived != s.sum.restarts {
		t.Errorf("wrongly in force %d, failed admissions %d, restarts survived %d of %d", s.sum.wrong, s.sum.failed, s.sum.survived, s.sum.restarts)
	}
	if s.sum.slowest > inForceLimit {
		t.Errorf("a good change was in force after %s, promised are %s", s.sum.slowest, inForceLimit)
	}
	if os.Getenv(casesEnv) == "" && (s.sum.refused < s.sum.cases || s.sum.restarts == 0 || s.sum.created < 1000) {
		t.Errorf("too little was tried: %+v", s.sum)
	}
}

// install makes the cluster, with a good configuration in force.
func install(ctx context.Context, t *testing.T) *site {
	t.Helper()
	s := &site{T: t, lab: lab.NodeFor(ctx, t, "badconfig", "older.tar"), dir: t.TempDir()}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	// The API server and the guard warn of some good changes.
	s.lab.Config.WarningHandler = rest.NoWarnings{}
	client, err := kubernetes.NewForConfig(s.lab.Config)
	must(err)
	s.lab.Client = client
	must(s.lab.Namespace(ctx, namespace, nil))
	must(s.lab.Namespace(ctx, apps, map[string]string{"istio-injection": "enabled"}))
	first := "good-0"
	next, err := s.state(ctx, first, baseValues(first))
	must(err)
	file, err := s.valuesFile(next.values)
	must(err)
	_, err = s.lab.Helm(ctx, "install", release, s.lab.Chart(), "--namespace", namespace, "--values", file, "--wait", "--timeout", readyLimit.String())
	must(err)
	must(s.takes(ctx, next))
	s.sum.cases = len(mistakes())
	return s
}

// state is a good configuration as the chart renders it.
func (s *site) state(ctx context.Context, mark string, v values) (state, error) {
	o, err := s.render(ctx, mark, v)
	return state{change: change{values: v, objects: &o}, mark: mark}, err
}

// mode tries all mistakes, and good changes, in one mode.
func (s *site) mode(ctx context.Context, t *testing.T, m mode) {
	if m.guard != s.good.values["configGuard"].(map[string]any)["enabled"] {
		next, err := s.state(ctx, s.good.mark, s.good.values.with(func(v values) { v.guard(m.guard) }))
		next.hash = s.good.hash
		if err == nil {
			err = s.put(ctx, ways()[helm3], next)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, w := range ways() {
		t.Run(w.name, func(t *testing.T) {
			if !m.down {
				s.goods(ctx, t, m, w)
			}
			firsts := 0
			for i, mistake := range mistakes() {
				f := -1
				if mistake.first {
					f = firsts
					firsts++
				}
				try, restart := inShort(m, w, i, f)
				if wanted(mistake.name) && (long() || try) {
					s.attempt(ctx, t, attempt{m, w, mistake, long() || restart})
				}
			}
			if err := s.put(ctx, w, s.good); err != nil {
				t.Fatal(err)
			}
		})
		if t.Failed() && ctx.Err() != nil {
			return
		}
	}
}

// base puts the configuration with which everything begins, with another mark.
func (s *site) base(ctx context.Context, w way, mark string) error {
	next, err := s.state(ctx, mark, baseValues(mark).with(func(v values) { v["configGuard"] = s.good.values["configGuard"] }))
	if err != nil {
		return err
	}
	return s.put(ctx, w, next)
}

// inShort says whether the short form makes mistake i in this way and mode, and
// whether a server is restarted then. f counts those marked as first, and is negative
// for others. Every mistake is tried, with the guard and by kubectl edit; each way and
// mode has some; what takes seconds, Helm and restarts, has the fewest.
func inShort(m mode, w way, i, f int) (try, restart bool) {
	first := f >= 0
	if m.down {
		return first && f == 2*w.number, false
	}
	if m.guard {
		return w.number == edit || first && (f+w.number)%2 == 0 || w.number == apply && i%3 == 0, false
	}
	switch w.number {
	case helm3, helm4:
		return f == 3*w.number, false
	case apply:
		return first && f%4 == 1, false
	}
	return first || i%3 == 0, first && f%2 == 0
}

// put makes a good change, waits until it is in force, and notes how long that took.
func (s *site) put(ctx context.Context, w way, next state) error {
	s.marks.allow(s.good.one || next.one, s.good.mark, next.mark)
	if err := w.write(ctx, s, next.change); err != nil {
		return fmt.Errorf("a good configuration is refused: %w", err)
	}
	begin := time.Now()
	err := s.takes(ctx, next)
	s.sum.slowest = max(s.sum.slowest, time.Since(begin))
	return err
}

// goods makes good changes: each must be let in and come into force.
func (s *site) goods(ctx context.Context, t *testing.T, m mode, w way) {
	for _, g := range goods() {
		if !long() && !g.first && !(m.guard && w.number == edit) {
			continue
		}
		s.sum.goods++
		mark := fmt.Sprintf("good-%d", s.sum.goods)
		next, err := s.state(ctx, mark, baseValues(mark).with(func(v values) {
			v["configGuard"] = s.good.values["configGuard"]
			g.values(v, mark)
		}))
		next.one = g.one
		if err == nil {
			err = s.put(ctx, w, next)
		}
		if err != nil {
			t.Fatalf("good: %s: %v", g.name, err)
		}
	}
	// What follows begins with a configuration like the first.
	s.sum.bases++
	mark := fmt.Sprintf("base-%d", s.sum.bases)
	if err := s.base(ctx, w, mark); err != nil {
		t.Fatal(err)
	}
}
