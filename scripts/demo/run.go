package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/lab"
)

// stepTimeout bounds every step after the cluster is there; the slowest, an
// install that pulls its images over a slow line, still fits.
const stepTimeout = 3 * time.Minute

type options struct {
	kubeconfig, hub, tag, next string
}

// run returns the exit status: 0 shown, 1 something failed, 2 usage.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var o options
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "cluster to use")
	flags.StringVar(&o.hub, "hub", "sidecar-injector.local", "where the images are, without the name")
	flags.StringVar(&o.tag, "tag", "dev", "tag of the images")
	flags.StringVar(&o.next, "next", "", "what to do first to look around; printed at the end")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if o.kubeconfig == "" || flags.NArg() != 0 {
		fmt.Fprintln(stderr, "demo: --kubeconfig is needed, and no other argument; `make demo` gives it")
		return 2
	}
	l, err := lab.Connect(".", o.kubeconfig)
	if err == nil {
		d := &demo{lab: l, options: o, out: stdout, now: time.Now}
		err = d.show(ctx)
	}
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "\ndemo: stopped; `make demo` starts over, `make down` removes the embedded cluster")
		return 1
	case err != nil:
		fmt.Fprintf(stderr, "\ndemo: %v\n", err)
		return 1
	}
	return 0
}
