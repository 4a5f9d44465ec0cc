package command

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/figures"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/largest"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/memory"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/request"
)

func (r *run) request(_ context.Context, args []string) error {
	rounds := r.flags.Int("rounds", 31, "how many `times` each has its turn")
	sizes := r.flags.Bool("sizes", true, "measure the cost for pods of growing size too")
	if err := r.parse(args); err != nil {
		return err
	}
	setups, shapes, err := r.inputs()
	if err != nil {
		return err
	}
	f := figures.Requests{Machine: r.machine(), Rounds: *rounds}
	if f.Requests, err = request.Measure(setups, shapes, *rounds); err != nil {
		return err
	}
	if *sizes {
		if f.Sizes, err = request.Sizes(setups[0], *rounds); err != nil {
			return err
		}
	}
	if err := request.Print(r.stdout, f); err != nil {
		return err
	}
	return r.save(f)
}

func (r *run) largest(_ context.Context, args []string) error {
	if err := r.parse(args); err != nil {
		return err
	}
	setups, _, err := r.inputs()
	if err != nil {
		return err
	}
	all, err := largest.Measure(setups, largest.MaxObject)
	if err != nil {
		return err
	}
	ok, err := largest.Print(r.stdout, all)
	if err == nil && !ok {
		err = errors.New("a pod costs more than it may, see above")
	}
	return err
}

// against compares files that request has written, of another commit and of now.
func (r *run) against(_ context.Context, args []string) error {
	base := r.flags.String("base", "", "`files` with the figures of the other commit, separated by commas")
	now := r.flags.String("now", "", "`files` with the figures of now, separated by commas")
	if err := r.parse(args); err != nil {
		return err
	}
	var runs [2][]figures.Requests
	for i, names := range []string{*base, *now} {
		for _, name := range strings.Split(names, ",") {
			var f figures.Requests
			if err := figures.Read(name, &f); err != nil {
				return err
			}
			runs[i] = append(runs[i], f)
		}
	}
	ok, err := request.PrintAgainst(r.stdout, runs[0], runs[1])
	if err == nil && !ok {
		err = errors.New("a request costs more than it may, see above")
	}
	return err
}

func (r *run) memory(ctx context.Context, args []string) error {
	p := memory.Plan{Progress: r.stderr}
	r.flags.StringVar(&p.Program, "program", filepath.Join("bin", "sidecar-injector"), "the server's `binary`")
	r.flags.StringVar(&p.Simplest, "simplest", filepath.Join("bin", "bench-simplest"), "`binary` of the simplest webhook, to compare with")
	r.flags.IntVar(&p.Starts, "starts", 11, "how `often` to start it to see how soon it is ready")
	r.flags.IntVar(&p.Rounds, "rounds", 3, "how `often` to measure the memory of both servers, by turns")
	r.flags.IntVar(&p.Open, "open", 1000, "`requests` that are open at once")
	r.flags.IntVar(&p.Requests, "requests", 40_000, "`requests` to see whether memory stays flat: a million takes 10 to 30 minutes")
	r.flags.DurationVar(&p.Most, "most", 45*time.Minute, "how `long` they may take; then those count that were sent")
	r.flags.IntVar(&p.Clients, "clients", 8, "`clients` that send them")
	pod := r.flags.String("pod", "typical", "`name` of the pod: hello, typical or env2000")
	if err := r.parse(args); err != nil {
		return err
	}
	setups, shapes, err := r.inputs()
	if err != nil {
		return err
	}
	p.Setup = setups[0]
	if p.Shape, err = named(shapes, *pod); err != nil {
		return err
	}
	machine := r.machine()
	f, err := p.Measure(ctx)
	if err != nil {
		return err
	}
	f.Machine = machine
	if err := memory.Print(r.stdout, f); err != nil {
		return err
	}
	return r.save(f)
}
