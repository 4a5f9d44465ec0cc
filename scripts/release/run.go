package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"time"
)

const usage = `usage: release sbom --name NAME --version VERSION --time RFC3339 --out FILE PROGRAM...
         an SPDX document of the modules that Go programs are built from
       release repack --time RFC3339 FILE.tgz...
         the same archive with that time on every file, so that equal content
         gives equal bytes
`

var errUsage = errors.New("usage")

// run returns the exit status: 0 made, 1 something could not be made, 2 usage.
func run(args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return 2
	}
	flags := flag.NewFlagSet("release "+args[0], flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { fmt.Fprint(stderr, usage) }
	when := flags.String("time", "", "time to write, RFC 3339")
	var work func(at time.Time) error
	switch args[0] {
	case "sbom":
		var b bill
		flags.StringVar(&b.name, "name", "", "what the document describes")
		flags.StringVar(&b.version, "version", "", "its version")
		out := flags.String("out", "", "file to write")
		work = func(at time.Time) error {
			b.created, b.programs = at, flags.Args()
			if b.name == "" || b.version == "" || *out == "" || len(b.programs) == 0 {
				return errUsage
			}
			packages, err := b.write(*out)
			if err == nil {
				fmt.Fprintf(stdout, "sbom     %s: %d modules\n", *out, packages)
			}
			return err
		}
	case "repack":
		work = func(at time.Time) error {
			if flags.NArg() == 0 {
				return errUsage
			}
			for _, path := range flags.Args() {
				if err := repack(path, at); err != nil {
					return err
				}
			}
			return nil
		}
	default:
		fmt.Fprintf(stderr, "release: unknown command %q, must be sbom or repack\n%s", args[0], usage)
		return 2
	}
	if err := flags.Parse(args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	at, err := time.Parse(time.RFC3339, *when)
	if err != nil {
		fmt.Fprintf(stderr, "release: --time %q: want RFC 3339, e.g. 2006-01-02T15:04:05Z\n", *when)
		return 2
	}
	switch err := work(at.UTC()); {
	case errors.Is(err, errUsage):
		fmt.Fprint(stderr, usage)
		return 2
	case err != nil:
		fmt.Fprintf(stderr, "release: %v\n", err)
		return 1
	}
	return 0
}
