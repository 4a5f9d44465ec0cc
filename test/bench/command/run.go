// Package command is the program that measures and reports.
package command

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/engine"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/figures"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/pods"
)

const usage = `usage: bench request|against|largest|memory|cluster [flags]

  request   what one request costs in the process, against the floor
  against   what requests cost now, against another commit, from files of request
  largest   what the largest pods cost that an API server lets through
  memory    memory, readiness and processor time of the real server
  cluster   pod creation through a real API server

Flags of each: bench request -h. CONFORMANCE names the folder of the reference
injectors' corpora, whose configurations are measured with; without it, the
chart's defaults are. BENCH_PODS names a folder with the three pods.
`

// Run runs the program and returns its exit status: 0 when it measured, whatever
// it found; 1 when it could not; 2 when the command line cannot be meant.
func Run(ctx context.Context, args, env []string, _ io.Reader, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return 2
	}
	r := &run{env: map[string]string{}, stdout: stdout, stderr: stderr}
	for _, e := range env {
		if name, value, ok := strings.Cut(e, "="); ok {
			r.env[name] = value
		}
	}
	commands := map[string]func(context.Context, []string) error{
		"request": r.request, "memory": r.memory, "cluster": r.cluster, "answer": r.answer, "against": r.against, "largest": r.largest,
	}
	command, ok := commands[args[0]]
	if !ok {
		fmt.Fprint(stderr, usage)
		return 2
	}
	r.flags = flag.NewFlagSet("bench "+args[0], flag.ContinueOnError)
	r.flags.SetOutput(stderr)
	r.flags.StringVar(&r.root, "root", ".", "the repository's root `folder`")
	r.flags.StringVar(&r.out, "o", "", "`file` for the figures, as JSON")
	r.flags.StringVar(&r.commit, "commit", "", "`revision` of the sources, to note in the figures")
	var u usageError
	switch err := command(ctx, args[1:]); {
	case err == nil:
		return 0
	case errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &u):
		return 2 // the flag package has said why
	default:
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
}

type usageError struct{ error }

type run struct {
	env            map[string]string
	stdout, stderr io.Writer
	flags          *flag.FlagSet
	root, out      string
	commit         string
}

func (r *run) parse(args []string) error {
	switch err := r.flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return usageError{err}
	case r.flags.NArg() > 0:
		fmt.Fprintf(r.stderr, "unexpected argument %q\n", r.flags.Arg(0))
		return usageError{errors.New("argument")}
	}
	return nil
}

// inputs are what is measured with.
func (r *run) inputs() ([]engine.Setup, []pods.Shape, error) {
	setups, err := engine.Setups(r.root, r.env[engine.CorporaEnv])
	if err != nil {
		return nil, nil, err
	}
	shapes, err := pods.Shapes(r.env[pods.FolderEnv])
	return setups, shapes, err
}

func (r *run) machine() figures.Machine { return figures.ThisMachine(time.Now(), r.commit) }

// save writes the figures where the flag -o says.
func (r *run) save(f any) error {
	if r.out == "" {
		return nil
	}
	return figures.Write(r.out, f)
}

func named(shapes []pods.Shape, name string) (pods.Shape, error) {
	var known []string
	for _, s := range shapes {
		if s.Name == name {
			return s, nil
		}
		known = append(known, s.Name)
	}
	return pods.Shape{}, fmt.Errorf("-pod %q: must be one of %s", name, strings.Join(known, ", "))
}
