package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path"
	"regexp"
	"strings"
	"time"
)

const usage = `usage: mutants [--gremlins PROGRAM] [--equivalents FILE] [--wanted PERCENT] [--match REGEXP]
               [--allowance DURATION] PACKAGE...

Run in the root of a module: changes one operator of each PACKAGE, a folder such
as ./pkg/decide, at a time, runs the package's own tests in their short form, and
prints the changes that no test noticed and, for each package,

  mutants: package pkg/decide killed 55 of 57

Exits with 1 when a package is below PERCENT or the list of equivalents is wrong.
`

// run returns the exit status: 0 done, 1 tests notice too little or could not be
// run, 2 usage.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("mutants", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { fmt.Fprint(stderr, usage); flags.PrintDefaults() }
	gremlins := flags.String("gremlins", "gremlins", "the mutation tester that finds the changes")
	equivalents := flags.String("equivalents", "", "list of the changes that cannot make a difference")
	wanted := flags.Float64("wanted", 90, "percent of the changes that a package's tests must notice")
	allowance := flags.Duration("allowance", 10*time.Second, "how much longer than ten times the time of the unchanged tests a run may take")
	match := flags.String("match", "", "try only changes whose \"file:line:column KIND: line\" matches, and ask for no percentage")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	fail := func(code int, err error) int {
		fmt.Fprintf(stderr, "mutants: %v\n", err)
		return code
	}
	if flags.NArg() == 0 {
		return fail(2, errors.New("no package: give folders such as ./pkg/decide"))
	}
	chosen, err := regexp.Compile(*match)
	if err != nil {
		return fail(2, fmt.Errorf("--match: %w", err))
	}
	var list []equivalent
	if *equivalents != "" {
		text, err := os.ReadFile(*equivalents)
		if err != nil {
			return fail(1, err)
		}
		if list, err = parseEquivalents(*equivalents, string(text)); err != nil {
			return fail(1, err)
		}
	}
	root, err := copyModule(ctx, ".")
	if err != nil {
		return fail(1, err)
	}
	defer os.RemoveAll(root)
	problems := checkEquivalents(list, os.DirFS(root))
	for _, arg := range flags.Args() {
		dir := path.Clean(strings.TrimSuffix(arg, "/..."))
		r := &report{Package: dir, Equivalents: ofPackage(list, dir)}
		if err := tryPackage(ctx, *gremlins, root, r, *allowance, chosen, stdout); err != nil {
			return fail(1, err)
		}
		fmt.Fprintln(stdout, r.line())
		if *match != "" {
			continue
		}
		problems = append(problems, r.wrong()...)
		if r.percent() < *wanted {
			problems = append(problems, fmt.Sprintf("package %s: %.0f %% killed, want %.0f %%: write a test for each line above, or remove code that is not needed", dir, r.percent(), *wanted))
		}
	}
	for _, p := range problems {
		fmt.Fprintf(stderr, "mutants: %s\n", p)
	}
	if len(problems) > 0 {
		return 1
	}
	return 0
}

// tryPackage adds what becomes of the package's mutants to r, and writes those
// that survive to w at once: a package takes minutes.
func tryPackage(ctx context.Context, gremlins, root string, r *report, allowance time.Duration, chosen *regexp.Regexp, w io.Writer) error {
	mutants, err := find(ctx, gremlins, root, r.Package)
	if err != nil {
		return err
	}
	t, err := newTrial(ctx, root, r.Package, mutants, allowance)
	if err != nil {
		return err
	}
	for _, m := range mutants {
		if !chosen.MatchString(m.String()) {
			continue
		}
		v, err := t.try(ctx, m)
		if err != nil {
			return fmt.Errorf("%s: %w", m, err)
		}
		r.add(m, v, w)
	}
	return nil
}
