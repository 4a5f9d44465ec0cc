// Command mutants changes one operator of a package at a time and runs the
// package's tests: a change that no test notices marks a rule that no test
// holds, or code that nobody needs.
//
// gremlins (github.com/go-gremlins/gremlins) finds the changes, with the kinds
// that it enables by default. It does not run them, for reasons seen in
// its version 0.6:
//
//   - A change that does not compile counts as killed, because `go test` exits
//     with 1 for it as for a failed test. Here it is built first and, when that
//     fails, not counted.
//   - Its time limit is a multiple of a run that may come from Go's cache or
//     wait for a busy machine, so changes time out that no test would notice.
//     Here the limit is ten times the measured time of the unchanged tests and
//     ten seconds more, and a test that exceeds it has noticed: the change
//     made a loop endless, and a test run that hangs fails.
//   - It builds a program for every change. Here all changes of comparisons,
//     which are most, are built into one.
//   - What no statement profile covers is not run, though tests may well depend
//     on a constant. Here every change is run; what is not covered survives by
//     itself.
//
// The tests run with -short, so that a law over generated values takes fewer
// rounds, and only those of the package itself: a package whose rules are held
// by somebody else's tests alone does not hold them.
//
// A change that cannot make a difference is listed in the file of equivalents
// with its reason (see [parseEquivalents]) and not counted. An entry fails the
// run when the line has gone or when a test does notice the change.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
