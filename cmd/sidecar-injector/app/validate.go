package app

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// validateCommand is for a hook before an upgrade: it reads what the server
// would read, and says everything that is wrong with it.
func (p *program) validateCommand() *cobra.Command {
	o := newOptions()
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "Read the configuration files and say every error in them",
		Long: `validate reads the injection configuration, the mesh configuration and the chart
values as the server would, compiles the templates and renders them for some
sample pods. It exits with 1 and says every error, or says what it read.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			p.started = true
			if err := o.validateConfigFlags(); err != nil {
				return usageError{err}
			}
			return p.validate(o)
		},
	}
	o.addConfigFlags(cmd.Flags())
	return cmd
}

func (p *program) validate(o *options) error {
	source := &configSource{o: o}
	docs, err := source.newest()
	if err != nil {
		return err
	}
	// Without a cluster to ask, auto is off, as in the server.
	snapshot, err := compile(docs, o.injectOptions(p.env, &cluster{mode: o.nativeSidecars}))
	if err != nil {
		return err
	}
	if err := snapshot.Check(); err != nil {
		return err
	}
	cfg := snapshot.Config()
	for _, note := range cfg.Notes {
		fmt.Fprintln(p.stderr, "note: "+note)
	}
	_, err = fmt.Fprintf(p.stdout, "configuration is valid\ndialect:   %s\npolicy:    %s\ntemplates: %s\ndefault:   %s\nhash:      %s\n",
		snapshot.Dialect(), cfg.Policy, strings.Join(snapshot.TemplateNames(), ", "), strings.Join(cfg.DefaultTemplates, ", "), snapshot.Hash())
	return err
}
