// Package cli is what the programs do alike around their own work: signals, exit
// statuses, and how failures are printed.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit statuses.
const (
	ExitOK      = 0
	ExitFailure = 1 // it was tried and failed
	ExitUsage   = 2 // the command line cannot be meant
)

// UsageError is what is wrong with the command line.
type UsageError struct{ Err error }

func (e UsageError) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong.
func (e UsageError) Unwrap() error { return e.Err }

// Usagef formats a UsageError like fmt.Errorf.
func Usagef(format string, args ...any) error {
	return UsageError{fmt.Errorf(format, args...)}
}

// Main runs a program and ends the process with the status that it returns. Its
// context ends with the first SIGTERM or interrupt; a second one ends the process
// at once.
func Main(run func(ctx context.Context) (status int)) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx))
}

// Execute runs the command line args and returns the exit status.
func Execute(ctx context.Context, root *cobra.Command, args []string, stdout, stderr io.Writer) int {
	// An error from before a command's own function is one that cobra itself finds,
	// such as an unknown flag.
	started := false
	root.PersistentPreRun = func(*cobra.Command, []string) { started = true }
	root.SilenceErrors, root.SilenceUsage = true, true
	root.DisableAutoGenTag = true
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetHelpCommand(&cobra.Command{Hidden: true})
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err != nil && !started {
		err = UsageError{err}
	}
	return Report(stderr, root.Name(), root.CommandPath(), err)
}

// Report prints err, if it is one, each line with the program's name, and returns
// the exit status. call is how users call the program; where the command line is
// wrong, it is said where its help is.
func Report(stderr io.Writer, program, call string, err error) int {
	if err == nil {
		return ExitOK
	}
	for _, line := range strings.Split(strings.TrimRight(err.Error(), "\n"), "\n") {
		fmt.Fprintf(stderr, "%s: %s\n", program, line)
	}
	if errors.As(err, new(UsageError)) {
		fmt.Fprintf(stderr, "%s: see %s --help\n", program, call)
		return ExitUsage
	}
	return ExitFailure
}

// NewLogger returns a logger that writes from a level on, in the format "json" or
// "text".
func NewLogger(w io.Writer, format string, level slog.Leveler) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// Environment reads entries of the form "name=value". Of two with one name the last
// counts.
func Environment(entries []string) map[string]string {
	env := make(map[string]string, len(entries))
	for _, e := range entries {
		if name, value, ok := strings.Cut(e, "="); ok {
			env[name] = value
		}
	}
	return env
}
