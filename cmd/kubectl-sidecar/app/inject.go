package app

import (
	"context"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cli"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/workload"
)

// stream is a command that reads manifests and writes manifests.
type stream struct {
	options
	file, output string
}

func (s *stream) addFlags(cmd *cobra.Command) {
	s.options.addFlags(cmd.Flags())
	cmd.Flags().StringVarP(&s.file, "filename", "f", "", "manifest `file` to read; - is standard input (required)")
	cmd.Flags().StringVarP(&s.output, "output", "o", "", "`format` of the output, yaml or json (default: as each document came in)")
}

func (p *program) injectCommand() *cobra.Command {
	s := &stream{}
	cmd := &cobra.Command{
		Use:   "inject -f FILE",
		Short: "Inject the pods in manifests",
		Long: `inject reads manifests, injects the pods that their workloads make, just as the
webhook would, and writes the manifests to standard output. Documents without
pods come out byte for byte, and so do workloads that are not injected, with a
warning on standard error that says why. When anything is wrong, nothing is
written, and every error is told.

Pods and Lists, Deployments, DaemonSets, StatefulSets, ReplicaSets,
ReplicationControllers, Jobs, CronJobs, DeploymentConfigs and Rollouts are read.`,
		Example: `  kubectl sidecar inject -f app.yaml | kubectl apply -f -
  kubectl sidecar inject -f - --injectConfigFile inject.yaml --meshConfigFile mesh.yaml --valuesFile values.json < app.yaml
  kubectl sidecar inject -f app.yaml --chart ./charts/istio-sidecar-injector --set global.hub=example.com/istio`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.runStream(cmd.Context(), s, func(ctx context.Context, snapshot *inject.Snapshot, in io.Reader, o workload.Options) ([]workload.Report, error) {
				return workload.Inject(ctx, snapshot, in, p.stdout, o)
			})
		},
	}
	s.addFlags(cmd)
	return cmd
}

func (p *program) uninjectCommand() *cobra.Command {
	s := &stream{}
	cmd := &cobra.Command{
		Use:   "uninject -f FILE",
		Short: "Take the injection out of manifests again",
		Long: `uninject reads manifests, takes out of their pods what an injection has added,
and writes the manifests to standard output. Documents that carry no injection
come out byte for byte.

What the injection has noted on the pod comes back as it was: containers that the
manifest declared itself, probes, scrape annotations. The configuration is needed
to know what the templates add besides; use the one that was injected with.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.runStream(cmd.Context(), s, func(ctx context.Context, snapshot *inject.Snapshot, in io.Reader, o workload.Options) ([]workload.Report, error) {
				return workload.Uninject(ctx, snapshot, in, p.stdout, o)
			})
		},
	}
	s.addFlags(cmd)
	return cmd
}

func (p *program) runStream(ctx context.Context, s *stream, run func(context.Context, *inject.Snapshot, io.Reader, workload.Options) ([]workload.Report, error)) error {
	if s.output != "" && s.output != "yaml" && s.output != "json" {
		return cli.Usagef(`invalid --output %q: must be "yaml" or "json"`, s.output)
	}
	in, err := p.open(s.file)
	if err != nil {
		return err
	}
	defer in.Close()
	snapshot, _, err := p.snapshot(ctx, &s.options)
	if err != nil {
		return err
	}
	reports, err := run(ctx, snapshot, in, workload.Options{Namespace: p.namespace(), Format: workload.Format(s.output)})
	for _, r := range reports {
		for _, w := range r.Warnings {
			p.warn("%s", strings.ReplaceAll(w, "\n", " "))
		}
	}
	return err
}

// open opens a manifest file.
func (p *program) open(file string) (io.ReadCloser, error) {
	switch file {
	case "":
		return nil, cli.Usagef("give a manifest with -f FILE, or -f - for standard input")
	case "-":
		return io.NopCloser(p.stdin), nil
	}
	return os.Open(file)
}
