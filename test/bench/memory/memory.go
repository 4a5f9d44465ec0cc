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
	Simplest string // the binary of the simplest webhook; empty leaves it out
	Setup    engine.Setup
	Shape    pods.Shape
	Starts   int // how often it is started to see how soon it is ready
	Open     int // requests open at once
	Requests int // requests one after the other
	Clients  int // that send them
	// Most is how long these may take; what has been sent by then counts. Zero: as
	// long as it takes.
	Most     time.Duration
	Progress io.Writer
}

// quiet is how long the idle server is watched: its own checks come round in it.
const quiet = 12 * time.Second

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
	if p.Simplest != "" {
		err := p.run(ctx, p.Simplest, files, func(s *process.Server) (err error) {
			m.SimplestIdle, m.SimplestOpen, _, err = p.footprint(ctx, s, files)
			return err
		})
		if err != nil {
			return m, err
		}
	}
	return m, p.run(ctx, p.Program, files, func(s *process.Server) (err error) {
		if m.Idle, m.Open, m.OpenFailed, err = p.footprint(ctx, s, files); err != nil {
			return err
		}
		return p.load(ctx, s, files, &m)
	})
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
// do at once, and how many of those were not answered well.
func (p Plan) footprint(ctx context.Context, s *process.Server, files *process.Files) (unused, most float64, failed int, err error) {
	fmt.Fprintf(p.Progress, "idle for %s ...\n", quiet)
	if unused, err = idle(ctx, s.Usage()); err != nil {
		return 0, 0, 0, err
	}
	fmt.Fprintf(p.Progress, "%d requests open at once ...\n", p.Open)
	most, failed, err = open(ctx, s, files, p.Shape, p.Open)
	return unused, most, failed, err
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

// idle is the resident memory of a server that nobody calls, at the end of a
// while.
func idle(ctx context.Context, u process.Usage) (float64, error) {
	select {
	case <-time.After(quiet):
		return u.Resident()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// Peaks are the most that was resident in the first and in the second half of a
// run, in MiB, and after how many requests each ended.
type Peaks struct {
	First, Second       float64
	FirstEnd, SecondEnd int
}

// Halves tells the peaks of the halves. The first few samples do not count, as
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
