package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/workload"
)

func (p *program) validateCommand() *cobra.Command {
	o := &options{}
	var file, dryRun string
	cmd := &cobra.Command{
		Use:   "validate [-f FILE]",
		Short: "Check a configuration before it is used",
		Long: `validate reads a configuration, compiles its templates and renders them for some
sample pods, and for the pods of manifests that are given. It says every error
once, with the file, line and column where you gave it, and exits with 1, or says
what it has read. It judges as the injector does before a configuration is in force.

With --dry-run=server the API server judges the injected sample pods, too, by dry
runs that create nothing. That needs the right to create pods in the namespace.`,
		Example: `  kubectl sidecar validate --chart ./charts/istio-sidecar-injector --values production.yaml -f app.yaml
  kubectl sidecar validate --chart ./charts/istio-sidecar-injector --set-file templates.sidecar=my.yaml --dry-run=server -n shop`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkDryRun(dryRun); err != nil {
				return err
			}
			return p.validate(cmd.Context(), o, file, dryRun == "server")
		},
	}
	o.addFlags(cmd.Flags())
	cmd.Flags().StringVar(&dryRun, "dry-run", "none", "`mode`: server has the API server judge the injected sample pods as well; none does not ask it")
	cmd.Flags().StringVarP(&file, "filename", "f", "", "manifest `file` whose pods are tried as well; - is standard input")
	return cmd
}

func (p *program) validate(ctx context.Context, o *options, file string, dryRun bool) error {
	c, err := p.load(ctx, o)
	if err != nil {
		return err
	}
	snapshot, found := c.load(ctx)
	for _, warning := range found.Warnings {
		p.warn("%s", warning)
	}
	err = found.Err()
	tried := ""
	if file != "" && snapshot != nil {
		in, openErr := p.open(file)
		if openErr != nil {
			return openErr
		}
		defer in.Close()
		reports, runErr := workload.Inject(ctx, snapshot, in, io.Discard, workload.Options{Namespace: p.namespace()})
		for _, r := range reports {
			for _, w := range r.Warnings {
				p.warn("%s", w)
			}
		}
		err = errors.Join(err, runErr)
		tried = fmt.Sprintf("workloads: %d tried\n", len(reports))
	}
	// What is wrong already the API server would say again, in other words.
	if dryRun && err == nil {
		var asked string
		asked, err = p.dryRun(ctx, snapshot)
		tried += asked
	}
	if err != nil {
		return err
	}
	cfg := snapshot.Config()
	_, err = fmt.Fprintf(p.stdout, "configuration is valid\nsource:    %s\ndialect:   %s\npolicy:    %s\ntemplates: %s\ndefault:   %s\nhash:      %s\n%s",
		c.origin, snapshot.Dialect(), cfg.Policy, strings.Join(snapshot.TemplateNames(), ", "), strings.Join(cfg.DefaultTemplates, ", "), snapshot.Hash(), tried)
	return err
}
