//go:build integration && linux

// Package hostile attacks the real server, in a control group with the memory
// that the chart gives it, while a good client sends a pod every 30 ms, and shows
// that the good client never notices.
package hostile

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/lab"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/engine"
)

// modeEnv says how long attacks last: "long" or, when it is empty, short.
const modeEnv = "HOSTILE"

// The configurations that cases attack a server with.
const (
	current = "current" // the chart's defaults
	classic = "classic"
)

// hostileCase is one attack.
type hostileCase struct {
	name string
	// does and right say what the attack does, and what the right answer is.
	does, right string
	// dialect of the server's configuration; empty means current.
	dialect string
	// slow cases wait for the server's own time limits. In the short form they all
	// run at the same time, each from addresses of its own.
	slow bool
	run  func(*attack)
	// pod is what the attack sends, where that is one pod.
	pod func() []byte
	// direct: not through an API server, which itself needs a minute or more for
	// such a pod.
	direct bool
}

// attack is what a running case has.
type attack struct {
	ctx    context.Context
	server *injector
	// lasts is how long to go on.
	lasts time.Duration
	// peer is an address that no other attack uses at this time.
	peer string
	// opening has room for as many connections as may be opened at one time by all
	// attacks together.
	opening chan struct{}
	// body is the review of a good pod.
	body []byte
	// program and setup are what servers of an attack's own are started with.
	program string
	setup   engine.Setup

	mu    sync.Mutex
	wrong []string
	notes []string
}

// wrongf says what was not right.
func (a *attack) wrongf(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.wrong) < 4 {
		a.wrong = append(a.wrong, fmt.Sprintf(format, args...))
	}
}

// notef says what was measured.
func (a *attack) notef(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.notes = append(a.notes, fmt.Sprintf(format, args...))
}

// judge notes whether an answer is right, by what is expected.
func (a *attack) judge(what string, got answer, expect func(answer) error) {
	if err := expect(got); err != nil {
		a.wrongf("%s: %v", what, err)
	}
}

// clients lets n of them work at the same time until the time is over.
func (a *attack) clients(n int, work func(ctx context.Context, client int)) {
	ctx, cancel := context.WithTimeout(a.ctx, a.lasts)
	defer cancel()
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			for ctx.Err() == nil {
				work(ctx, i)
			}
		})
	}
	all.Wait()
}

// totals of a whole run.
type totals struct {
	cases, right int
	panics       float64
	kills        int64
	peak         int64
	counts
}

func TestHostile(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if g, err := newGroup(fmt.Sprintf("hostile-%d", os.Getpid())); err != nil {
		lab.Figure(t, fmt.Sprintf("hostile: skipped, because %v", err))
		t.Skip(err)
	} else if err := g.remove(); err != nil {
		t.Fatal(err)
	}
	setups, err := engine.Setups(root, "")
	if err != nil {
		t.Fatal(err)
	}
	var sum totals
	for _, setup := range setups {
		cases := slices.DeleteFunc(allCases(), func(c hostileCase) bool { return (c.dialect == "") != (setup.Dialect == current) })
		if len(cases) == 0 {
			continue
		}
		t.Run(setup.Dialect, func(t *testing.T) {
			r := &run{t: t, program: filepath.Join(root, "bin", "sidecar-injector"), setup: setup, sum: &sum}
			defer r.close()
			r.all(cases)
		})
	}
	t.Run("configuration", func(t *testing.T) {
		r := &run{t: t, program: filepath.Join(root, "bin", "sidecar-injector"), setup: setups[0], sum: &sum, mounted: true}
		defer r.close()
		r.all(configurationCases())
		r.all(reviewCases())
	})
	sum.report(t)
}

func allCases() []hostileCase {
	return slices.Concat(connectionCases(), monitoringCases(), http2Cases(), numberCases(), sizeCases(), textCases(), forgedCases(), boundCases())
}

func (sum *totals) report(t *testing.T) {
	lab.Figure(t, fmt.Sprintf("hostile: cases %d, answered right %d, panics %.0f; good calls failed %d of %d, slowest %d ms; peak %d MiB of %d",
		sum.cases, sum.right, sum.panics, sum.Failed, sum.Calls, sum.Slowest.Milliseconds(), sum.peak>>20, memoryLimit>>20))
	if sum.kills > 0 || sum.Unheard > 0 {
		lab.Figure(t, fmt.Sprintf("hostile: killed by the kernel %d; probes not answered %d of %d", sum.kills, sum.Unheard, sum.Probes))
	}
	if sum.right < sum.cases || sum.panics > 0 || sum.Failed > 0 || sum.Slowest >= slowest || sum.kills > 0 || sum.Unheard > 0 {
		t.Error("not everything held; the lines above say what did not")
	}
}

// run attacks servers of one configuration.
type run struct {
	t       *testing.T
	program string
	setup   engine.Setup
	sum     *totals
	// mounted: the configuration lies in mounts, so that it can be changed.
	mounted bool

	server *injector
	good   *aside
	calm   map[string]float64 // metrics before any attack
	starts int
}

func (r *run) all(cases []hostileCase) {
	long := os.Getenv(modeEnv) == "long"
	lasts := 400 * time.Millisecond
	if long {
		lasts = 8 * time.Second
	}
	var slow []hostileCase
	for _, c := range cases {
		switch {
		case !wanted(c.name):
		case c.slow && !long:
			slow = append(slow, c)
		default:
			r.one(lasts, c)
		}
	}
	if len(slow) > 0 {
		r.one(lasts, slow...)
	}
}

// wanted reports whether HOSTILE_CASES, names separated by semicolons, has the
// name or is empty.
func wanted(name string) bool {
	only := os.Getenv("HOSTILE_CASES")
	return only == "" || slices.Contains(strings.Split(only, ";"), name)
}

// ready has a server to attack, a new one when the last has ended.
func (r *run) ready() error {
	if r.server != nil && !r.server.ended() {
		return nil
	}
	r.close()
	r.starts++
	folder := filepath.Join(r.t.TempDir(), fmt.Sprintf("%s-%d", filepath.Base(r.t.Name()), r.starts))
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	var files *mounts
	var flags []string
	if r.mounted {
		var err error
		if files, err = newMounts(folder, r.setup.Sources.Inject.Data, r.setup.Sources.Values.Data, r.setup.Sources.Mesh.Data); err != nil {
			return err
		}
		flags = files.flags()
	}
	s, err := startInjector(r.t.Context(), r.program, folder, r.setup, flags...)
	if err != nil {
		return err
	}
	s.mounts = files
	r.server = s
	if r.good, err = startAside(s, r.mounted); err != nil {
		return err
	}
	r.calm, err = s.metrics(r.t.Context())
	return err
}

func (r *run) close() {
	if r.good != nil {
		last, err := r.good.end()
		if err != nil {
			r.t.Error(err)
		}
		r.sum.add(last)
		r.good = nil
	}
	if r.server != nil {
		if err := r.server.stop(); err != nil && !r.server.ended() {
			r.t.Error(err)
		}
		r.server = nil
	}
}

// one runs cases at the same time and then looks how the server is.
func (r *run) one(lasts time.Duration, cases ...hostileCase) {
	if err := r.ready(); err != nil {
		r.t.Fatal(err)
	}
	if err := r.forget(); err != nil {
		r.t.Fatal(err)
	}
	r.server.log.forget()
	if err := r.server.group.forget(); err != nil {
		r.t.Fatal(err)
	}
	pod, err := goodPod()
	if err != nil {
		r.t.Fatal(err)
	}
	begin := time.Now()
	attacks, opening := make([]*attack, len(cases)), make(chan struct{}, 16)
	var all sync.WaitGroup
	for i, c := range cases {
		ctx, cancel := context.WithTimeout(r.t.Context(), 2*time.Minute)
		defer cancel()
		attacks[i] = &attack{ctx: ctx, server: r.server, lasts: lasts, peer: fmt.Sprintf("127.0.0.%d", 9+i), opening: opening, body: review(pod), program: r.program, setup: r.setup}
		all.Go(func() { c.run(attacks[i]) })
	}
	all.Wait()
	took := time.Since(begin)
	after := r.after()
	for i, c := range cases {
		r.verdict(c, attacks[i], after, took)
	}
}

// forget adds what happened between attacks to the totals.
func (r *run) forget() error {
	c, err := r.good.take()
	r.sum.add(c)
	return err
}

// state of a server after an attack.
type state struct {
	counts
	wrong []string
	peak  int64
}

// after waits until the server is idle again and says what the attack did to it
// and to the neighbours.
func (r *run) after() (s state) {
	if err := r.idle(); err != nil {
		s.wrong = append(s.wrong, err.Error())
	}
	var err error
	if s.counts, err = r.good.take(); err != nil {
		s.wrong = append(s.wrong, err.Error())
	}
	r.sum.add(s.counts)
	s.wrong = append(s.wrong, s.Errs...)
	if s.Slowest >= slowest {
		s.wrong = append(s.wrong, fmt.Sprintf("a good call took %s", s.Slowest.Round(time.Millisecond)))
	}
	if s.peak, err = r.server.group.peak(); err != nil {
		s.wrong = append(s.wrong, err.Error())
	}
	r.sum.peak = max(r.sum.peak, s.peak)
	if kills, err := r.server.group.kills(); err != nil || kills > 0 {
		r.sum.kills += kills
		s.wrong = append(s.wrong, fmt.Sprintf("the kernel killed %d processes (%v)", kills, err))
	}
	if r.server.ended() {
		s.wrong = append(s.wrong, fmt.Sprintf("the server ended: %v: %s", r.server.err, r.server.log.tail()))
	}
	return s
}

// idle waits until nothing of the attack is left in the server.
func (r *run) idle() error {
	const most = 20 * time.Second
	return until(r.t.Context(), most, "the server to be idle again", func() error {
		if r.server.ended() {
			return nil // said elsewhere
		}
		now, err := r.server.metrics(r.t.Context())
		if err != nil {
			return err
		}
		if n := now["sidecar_injection_panics_total"]; n > r.calm["sidecar_injection_panics_total"] {
			r.sum.panics += n - r.calm["sidecar_injection_panics_total"]
			r.calm["sidecar_injection_panics_total"] = n
		}
		// Good calls go on: some are under way at any time, and their connections
		// are kept.
		if n, before := now["go_goroutines"], r.calm["go_goroutines"]; n > before+60 {
			return fmt.Errorf("%.0f goroutines, before the attacks %.0f", n, before)
		}
		if n := now["sidecar_injector_requests_in_flight"]; n > 2 {
			return fmt.Errorf("%.0f requests in flight", n)
		}
		// What the collector aims at is twice what is kept.
		if kept := now["go_memstats_next_gc_bytes"] / 2; kept > 48<<20 {
			return fmt.Errorf("%.0f MiB are kept", kept/(1<<20))
		}
		return nil
	})
}

func (r *run) verdict(c hostileCase, a *attack, s state, took time.Duration) {
	r.t.Run(c.name, func(t *testing.T) {
		r.sum.cases++
		wrong := append(a.wrong, s.wrong...)
		if len(wrong) == 0 {
			r.sum.right++
		}
		t.Logf("%s\nright: %s\n%s; %.1f s; good calls %d, failed %d, slowest %d ms; probes %d, unanswered %d; peak %d MiB",
			c.does, c.right, strings.Join(a.notes, "; "), took.Seconds(), s.Calls, s.Failed, s.Slowest.Milliseconds(), s.Probes, s.Unheard, s.peak>>20)
		for _, w := range wrong {
			t.Errorf("%s: %s", c.name, w)
		}
	})
}

// each lets n workers take what is to be done until there is no more.
func (a *attack) each(n int, next <-chan []byte, work func(context.Context, []byte)) {
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			for b := range next {
				work(a.ctx, b)
			}
		})
	}
	all.Wait()
}
