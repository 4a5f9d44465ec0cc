// Package app is the program sidecar-injector without the process around it: its
// commands, and what their flags mean.
package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/buildinfo"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/cli"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/memlimit"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/serve"
)

// Run runs the program until it is done or ctx is, and returns the exit status:
// 0 for a clean stop, 1 for a failure, 2 for a command line that cannot be
// meant. version is what the release process calls this build, empty when it
// did not say. env has entries of the form "name=value".
func Run(ctx context.Context, version string, args, env []string, _ io.Reader, stdout, stderr io.Writer) int {
	p := &program{build: buildinfo.Read(version), env: cli.Environment(env), stdout: stdout, stderr: stderr}
	return cli.Execute(ctx, p.command(), args, stdout, stderr)
}

type program struct {
	build          buildinfo.Info
	env            map[string]string
	stdout, stderr io.Writer
}

func (p *program) command() *cobra.Command {
	o := &options{}
	root := &cobra.Command{
		Use:   "sidecar-injector",
		Short: "Serve the admission webhook that adds sidecars to pods",
		Long: `sidecar-injector serves the admission webhook that adds sidecars to pods.

It reads an injection configuration, a mesh configuration and chart values, and
answers AdmissionReviews on POST /inject. Changes of these files, of the
certificate files, or of what holds them in the cluster, come into force without
a restart; a bad one never does, the last good one stays.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.validate(cmd.Flags()); err != nil {
				return cli.UsageError{Err: err}
			}
			return p.serve(cmd.Context(), o)
		},
	}
	o.addServeFlags(root.Flags())
	o.addConfigFlags(root.Flags())
	addClassicFlags(root.Flags(), o)
	root.AddCommand(p.probeCommand(), p.checkCommand(), p.validateCommand(), p.versionCommand())
	root.SetFlagErrorFunc(flagError)
	return root
}

// serve runs the server until ctx is done and what is open has finished.
func (p *program) serve(ctx context.Context, o *options) error {
	level, _ := parseLevel(o.logLevel) // the flags are valid
	var log *slog.Logger
	lines := newLogWriter(p.stderr, func(n int64) {
		log.Warn("log lines were dropped because standard error was not read in time", "lines", n)
	})
	defer lines.Close()
	log = cli.NewLogger(lines, o.logFormat, level)
	if len(o.ignored) > 0 {
		log.Warn("flags of the classic injector that have no meaning any more", "flags", strings.Join(o.ignored, " "))
	}
	limit := p.limitMemory(log)
	log.Info("sidecar-injector starts", "version", p.build.Version, "revision", o.server.Revision)

	server := o.server
	server.TemplateEnv = o.templateEnvironment(p.env)
	server.RotationPolicy.ReadOnly = !o.rotateCertificates
	server.Build, server.Log, server.DroppedLogLines = p.build, log, lines.Dropped
	server.Limits.Bytes, server.Limits.Work = memlimit.Divide(limit)
	return serve.Run(ctx, server)
}

// limitMemory sets Go's soft memory limit by the container's, unless the
// environment sets one, and returns what it is.
func (p *program) limitMemory(log *slog.Logger) int64 {
	if _, set := p.env["GOMEMLIMIT"]; !set {
		if limit := memlimit.FromContainer(os.DirFS("/")); limit > 0 {
			debug.SetMemoryLimit(limit)
			log.Debug("memory limit", "bytes", limit)
		}
	}
	return debug.SetMemoryLimit(-1) // changes nothing
}

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print which build this is",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(p.stdout, "sidecar-injector "+p.build.String())
			return err
		},
	}
}
