// Package app is the program sidecar-injector without the process around it:
// command line, wiring, and exit status.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/buildinfo"
)

// Exit statuses.
const (
	exitOK    = 0
	exitRun   = 1 // it was tried and failed
	exitUsage = 2 // the command line cannot be meant
)

// usageError is what is wrong with the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// Run runs the program until it is done or ctx is, and returns the exit status:
// 0 for a clean stop, 1 for a failure, 2 for a command line that cannot be
// meant. version is what the release process calls this build, empty when it
// did not say. env has entries of the form "name=value".
func Run(ctx context.Context, version string, args, env []string, _ io.Reader, stdout, stderr io.Writer) int {
	p := &program{version: version, env: environment(env), stdout: stdout, stderr: stderr}
	root := p.command()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	for _, line := range strings.Split(strings.TrimRight(err.Error(), "\n"), "\n") {
		fmt.Fprintln(stderr, "sidecar-injector: "+line)
	}
	// What cobra itself finds (unknown flags and commands) never got to a
	// command's own function.
	var usage usageError
	if errors.As(err, &usage) || !p.started {
		fmt.Fprintln(stderr, "sidecar-injector: see sidecar-injector --help")
		return exitUsage
	}
	return exitRun
}

type program struct {
	version        string
	env            map[string]string
	stdout, stderr io.Writer
	started        bool
}

func (p *program) command() *cobra.Command {
	o := newOptions()
	root := &cobra.Command{
		Use:   "sidecar-injector",
		Short: "Serve the admission webhook that adds sidecars to pods",
		Long: `sidecar-injector serves the admission webhook that adds sidecars to pods.

It reads an injection configuration, a mesh configuration and chart values, and
answers AdmissionReviews on POST /inject. Changes of these files, of the
certificate files, or of what holds them in the cluster, come into force without
a restart; a bad one never does, the last good one stays.`,
		Args:              cobra.NoArgs,
		SilenceErrors:     true,
		SilenceUsage:      true,
		DisableAutoGenTag: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		RunE: func(cmd *cobra.Command, _ []string) error {
			p.started = true
			if err := o.validate(cmd.Flags()); err != nil {
				return usageError{err}
			}
			return p.serve(cmd.Context(), o)
		},
	}
	o.addServeFlags(root.Flags())
	o.addConfigFlags(root.Flags())
	addClassicFlags(root.Flags(), o)
	root.AddCommand(p.probeCommand(), p.checkCommand(), p.validateCommand(), p.versionCommand())
	root.SetFlagErrorFunc(flagError)
	root.SetHelpCommand(&cobra.Command{Hidden: true})
	return root
}

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print which build this is",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			p.started = true
			_, err := fmt.Fprintln(p.stdout, "sidecar-injector "+p.build().String())
			return err
		},
	}
}

func (p *program) build() buildinfo.Info { return buildinfo.Read(p.version) }

func environment(env []string) map[string]string {
	m := make(map[string]string, len(env))
	for _, e := range env {
		if name, value, ok := strings.Cut(e, "="); ok {
			m[name] = value
		}
	}
	return m
}
