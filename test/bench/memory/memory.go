// Package memory measures the real server process: how soon it is ready, how
// much memory it keeps, and what requests cost it.
package memory

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/engine"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/figures"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/measure"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/pods"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/process"
)

// Plan of a run.
type Plan struct {
	Program  string // the server's binary
	Simplest string // the binary of the simplest webhook
	Setup    engine.Setup
	Shape    pods.Shape
	Starts   int // how often it is started to see how soon it is ready
	Rounds   int // how often idle and open are measured, of both servers
	Open     int // requests open at once
	Requests int // requests one after the other
	Clients  int // that send them
	// Most is how long these may take; what has been sent by then counts. Zero: as
	// long as it takes.
	Most     time.Duration
	Progress io.Writer
}

// settle is how long a server runs before it counts as idle: its own checks, every
// ten seconds, come round in it.
const settle = 12 * time.Second

// samples are taken over the requests.
const samples = 20

// Measure runs the server.
func (p Plan) Measure(ctx context.Context) (m figures.Memory, err error) {
	m = figures.Memory{Origin: p.Setup.Origin, Pod: p.Shape.Name, Starts: p.Starts, OpenRequests: p.Open, Requests: p.Requests}
	folder, err := os.MkdirTemp("", "bench-memory-")
	if err != nil {
		return m, err
	}
	defer os.RemoveAll(folder)
	files, err := process.Prepare(folder, p.Setup, time.Now())
	if err != nil {
		return m, err
	}
	if m.ReadyMilliseconds, err = p.ready(ctx, files); err != nil {
		return m, err
	}
	if err := p.footprints(ctx, files, &m); err != nil {
		return m, err
	}
	return m, p.run(ctx, p.Program, files, func(s *process.Server) error { return p.load(ctx, s, files, &m) })
}

// footprints measures the simplest webhook and ours by turns.
func (p Plan) footprints(ctx context.Context, files *process.Files, m *figures.Memory) error {
	var simplest, ours struct{ idle, open []float64 }
	m.Rounds = p.Rounds
	for range p.Rounds {
		err := p.run(ctx, p.Simplest, files, func(s *process.Server) error {
			idle, open, _, err := p.footprint(ctx, s, files, nil)
			simplest.idle, simplest.open = append(simplest.idle, idle), append(simplest.open, open)
			return err
		})
		if err != nil {
			return err
		}
		err = p.run(ctx, p.Program, files, func(s *process.Server) error {
			idle, open, failed, err := p.footprint(ctx, s, files, &m.IdleParts)
			ours.idle, ours.open = append(ours.idle, idle), append(ours.open, open)
			m.OpenFailed += failed
			return err
		})
		if err != nil {
			return err
		}
	}
	m.SimplestIdle, m.SimplestOpen = measure.Median(simplest.idle), measure.Median(simplest.open)
	m.Idle, m.Open = measure.Median(ours.idle), measure.Median(ours.open)
	return nil
}

// run starts a server, does something with it, and stops it.
func (p Plan) run(ctx context.Context, program string, files *process.Files, do func(*process.Server) error) (err error) {
	server, err := process.Start(ctx, program, files, "--shutdownDelay=0s")
	if err != nil {
		return err
	}
	defer func() {
		if stopErr := server.Stop(); err == nil {
			err = stopErr
		}
	}()
	return do(server)
}

// footprint is what is resident, in MiB, when nobody calls and at most when many
// do at once, and how many of those were not answered with 200. What the first
// consists of goes to parts, unless that is nil.
func (p Plan) footprint(ctx context.Context, s *process.Server, files *process.Files, parts *[]figures.MemoryPart) (idle, most float64, failed int, err error) {
	fmt.Fprintf(p.Progress, "idle for %s ...\n", settle)
	select {
	case <-time.After(settle):
	case <-ctx.Done():
		return 0, 0, 0, ctx.Err()
	}
	if idle, err = s.Usage().Resident(); err != nil {
		return 0, 0, 0, err
	}
	if parts != nil {
		if *parts, err = composition(ctx, s); err != nil {
			return 0, 0, 0, err
		}
	}
	fmt.Fprintf(p.Progress, "%d requests open at once ...\n", p.Open)
	most, failed, err = open(ctx, s, files, p.Shape, p.Open)
	return idle, most, failed, err
}

// ready is the median of several starts, in milliseconds.
func (p Plan) ready(ctx context.Context, files *process.Files) (float64, error) {
	var times []float64
	for range p.Starts {
		server, err := process.Start(ctx, p.Program, files, "--shutdownDelay=0s")
		if err != nil {
			return 0, err
		}
		times = append(times, float64(server.Ready.Microseconds())/1000)
		if err := server.Stop(); err != nil {
			return 0, err
		}
	}
	return measure.Median(times), nil
}

// Peaks are the most that was resident in the first and in the second half of a
// run, in MiB, and after how many requests each ended.
type Peaks struct {
	First, Second       float64
	FirstEnd, SecondEnd int
}

// Halves returns the peaks of the halves. The first few samples do not count, as
// caches fill in them.
func Halves(all []figures.MemorySample) (p Peaks) {
	settled := all[len(all)/5:]
	for i, s := range settled {
		if i < len(settled)/2 {
			p.First, p.FirstEnd = max(p.First, s.MiB), s.Requests
		} else {
			p.Second, p.SecondEnd = max(p.Second, s.MiB), s.Requests
		}
	}
	return p
}

// Flat reports whether the second half needed no more than the first, but for
// chance.
func (p Peaks) Flat() bool { return p.Second <= p.First*1.1 }
