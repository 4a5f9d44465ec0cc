package app

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cli"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/clusterinfo"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/source"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

// validateCommand is for a hook before an upgrade: it reads what the server
// would read, and says everything that is wrong with it.
func (p *program) validateCommand() *cobra.Command {
	o := &options{}
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "Read the configuration files and say every error in them",
		Long: `validate reads the injection configuration, the mesh configuration and the chart
values as the server would, compiles the templates and renders them for some
sample pods. It exits with 1 and says every error, or says what it read.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := o.validateConfigFlags(); err != nil {
				return cli.UsageError{Err: err}
			}
			return p.validate(o)
		},
	}
	o.addConfigFlags(cmd.Flags())
	return cmd
}

func (p *program) validate(o *options) error {
	snapshot, found, err := source.Load(context.Background(), o.server.Files, inject.Options{
		Revision: o.server.Revision, Platform: o.server.Platform, CompliancePolicy: o.server.CompliancePolicy,
		Env: o.templateEnvironment(p.env),
		// Without a cluster to ask, auto is off, as in the server.
		Cluster: clusterinfo.New(o.server.NativeSidecars),
	})
	if err != nil {
		return err
	}
	for _, warning := range found.Warnings {
		fmt.Fprintln(p.stderr, "warning: "+warning)
	}
	if err := found.Err(); err != nil {
		return err
	}
	cfg := snapshot.Config()
	_, err = fmt.Fprintf(p.stdout, "configuration is valid\ndialect:   %s\npolicy:    %s\ntemplates: %s\ndefault:   %s\nhash:      %s\n",
		snapshot.Dialect(), cfg.Policy, strings.Join(snapshot.TemplateNames(), ", "), strings.Join(cfg.DefaultTemplates, ", "), snapshot.Hash())
	return err
}
