package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"

	admission "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/lab"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/figures"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/measure"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/process"
)

// Plan of a run.
type Plan struct {
	Root     string // the repository's root
	Name     string // of the embedded cluster
	Program  string // the injector's binary
	Self     string // this program's binary, for the webhooks to compare with
	Shape    *corev1.Pod
	Rounds   int
	Clients  []int
	PerTurn  int // pods in a turn, but at least 8 for each client
	Restarts int // of a replica, in the second part; 0 leaves it out
	Progress io.Writer
}

// Measure starts a cluster and the webhooks, creates pods, and removes all again.
func (p Plan) Measure(ctx context.Context) (f figures.Cluster, err error) {
	f.Rounds = p.Rounds
	l, down, err := lab.StartCluster(ctx, p.Root, p.Name, p.Progress, "--control-plane-only")
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, down()) }()
	version, err := l.Client.Discovery().ServerVersion()
	if err != nil {
		return f, err
	}
	f.Server = version.GitVersion
	folder, err := os.MkdirTemp("", "bench-cluster-")
	if err != nil {
		return f, err
	}
	defer os.RemoveAll(folder)
	setup, err := Setup()
	if err != nil {
		return f, err
	}
	files, err := process.Prepare(folder, setup, time.Now())
	if err != nil {
		return f, err
	}
	stop, err := p.ways(ctx, l, folder, files)
	defer func() { err = errors.Join(err, stop()) }()
	if err != nil {
		return f, err
	}
	c := &creator{client: l.Client, shape: p.Shape}
	if f.Creations, err = p.rounds(ctx, c); err != nil {
		return f, err
	}
	if p.Restarts > 0 {
		f.Restarts = p.Restarts
		f.Restart, err = p.restarts(ctx, l, c, files)
	}
	return f, err
}

// ways sets up all ways; stop, never nil, ends their processes.
func (p Plan) ways(ctx context.Context, l *lab.Lab, folder string, files *process.Files) (stop func() error, err error) {
	var running []*process.Server
	stop = func() error {
		var errs []error
		for _, s := range running {
			errs = append(errs, s.Stop())
		}
		return errors.Join(errs...)
	}
	for _, way := range Ways() {
		if err := prepare(ctx, l, way); err != nil {
			return stop, err
		}
		var server *process.Server
		switch way {
		case Allowed, Constant:
			server, err = process.Command(ctx, p.Self, "answer", "-folder", folder, fmt.Sprintf("-patch=%t", way == Constant))
		case Injector:
			server, err = process.Start(ctx, p.Program, files, "--shutdownDelay=0s")
		case Policy:
			err = policy(ctx, l, way)
		}
		if err != nil {
			return stop, err
		}
		if server == nil {
			continue
		}
		running = append(running, server)
		url := "https://127.0.0.1:" + server.Webhook + "/inject"
		if err := webhook(ctx, l, way, admission.WebhookClientConfig{URL: &url, CABundle: files.CA}); err != nil {
			return stop, err
		}
	}
	return stop, p.inForce(ctx, l)
}

// inForce waits until every way does what it should: API servers learn of new
// webhooks and policies a moment later.
func (p Plan) inForce(ctx context.Context, l *lab.Lab) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	c := &creator{client: l.Client, shape: p.Shape}
	for _, way := range Ways() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for good, serial := 0, 0; good < 5; serial++ {
			t := c.pods(ctx, way, 1, 1)
			if good++; t.first != nil {
				good = 0
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return fmt.Errorf("%s is not in force: %w", way, errors.Join(ctx.Err(), t.first))
			}
		}
	}
	return nil
}

// rounds lets all ways have their turns.
func (p Plan) rounds(ctx context.Context, c *creator) ([]figures.Creation, error) {
	ways := Ways()
	type key struct {
		way     string
		clients int
	}
	all := map[key][]turn{}
	for round := range p.Rounds {
		fmt.Fprintf(p.Progress, "round %d of %d ...\n", round+1, p.Rounds)
		for _, clients := range p.Clients {
			for i := range ways {
				way := ways[(round+i)%len(ways)]
				n := max(p.PerTurn, 8*clients)
				t := c.pods(ctx, way, clients, n)
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				if t.first != nil {
					return nil, fmt.Errorf("%s, %d clients: %d of %d failed: %w", way, clients, t.failed, n, t.first)
				}
				all[key{way, clients}] = append(all[key{way, clients}], t)
			}
		}
	}
	var out []figures.Creation
	for _, clients := range p.Clients {
		for _, way := range ways {
			creation := summary(way, clients, all[key{way, clients}], all[key{Constant, clients}])
			out = append(out, creation)
		}
	}
	return out, nil
}

// summary of the turns of one way, compared with those of the constant patch.
func summary(way string, clients int, turns, constant []turn) figures.Creation {
	c := figures.Creation{Way: way, Clients: clients}
	all := pooled(turns)
	var rates []float64
	for _, t := range turns {
		c.Failed += t.failed
		rates = append(rates, float64(len(t.latencies))/t.took.Seconds())
	}
	c.Created, c.PerSecond, c.RoundP50 = len(all), measure.Median(rates), medians(turns)
	c.P50, c.P90, c.P99 = measure.Quantile(all, 0.5), measure.Quantile(all, 0.9), measure.Quantile(all, 0.99)
	if len(constant) > 0 {
		c.P50Ratio = measure.Median(measure.Ratios(c.RoundP50, medians(constant)))
		c.P99Ratio = c.P99 / measure.Quantile(pooled(constant), 0.99)
		c.P99Low, c.P99High = bootstrap(turns, constant)
	}
	return c
}

func medians(turns []turn) (out []float64) {
	for _, t := range turns {
		out = append(out, measure.Median(t.latencies))
	}
	return out
}

func pooled(turns []turn) (out []float64) {
	for _, t := range turns {
		out = append(out, t.latencies...)
	}
	return out
}

// bootstrap bounds the ratio of the 99th percentiles with a confidence of 95 %, by
// drawing rounds anew: pods of one round are not independent.
func bootstrap(turns, constant []turn) (low, high float64) {
	source := rand.New(rand.NewPCG(0, 0)) // the same figures give the same bounds
	var ratios []float64
	for range 500 {
		var a, b []turn
		for range turns {
			i := source.IntN(len(turns))
			a, b = append(a, turns[i]), append(b, constant[i])
		}
		ratios = append(ratios, measure.Quantile(pooled(a), 0.99)/measure.Quantile(pooled(b), 0.99))
	}
	return measure.Quantile(ratios, 0.025), measure.Quantile(ratios, 0.975)
}
