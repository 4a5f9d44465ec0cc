package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cli"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/clusterinfo"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/dryrun"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/source"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

// rightPatience is how long the right to create pods may be missing: the chart's hook
// makes it a moment before the Job.
const rightPatience = 10 * time.Second

// dryRunFlags say whether and where an API server tries the sample pods.
type dryRunFlags struct{ mode, namespace, kubeconfig string }

func (d *dryRunFlags) addFlags(f *pflag.FlagSet) {
	f.StringVar(&d.mode, "dry-run", "none", "`mode`: server has the API server judge the injected sample pods as well, by dry runs that create nothing; none does not ask it")
	f.StringVar(&d.namespace, "namespace", "", "`namespace` of the dry runs; the right to create pods there is needed")
	f.StringVar(&d.kubeconfig, "kubeconfig", "", "kubeconfig `file` for dry runs from outside a cluster; empty uses the pod's service account")
}

func (d *dryRunFlags) validate() error {
	if !slices.Contains([]string{"none", "server"}, d.mode) {
		return fmt.Errorf(`invalid --dry-run %q: must be "none" or "server"`, d.mode)
	}
	if d.mode == "server" && len(validation.IsDNS1123Label(d.namespace)) > 0 {
		return fmt.Errorf("invalid --namespace %q: must name the namespace of the dry runs", d.namespace)
	}
	return nil
}

// validateCommand is for a hook before an upgrade: it reads what the server
// would read, and says everything that is wrong with it.
func (p *program) validateCommand() *cobra.Command {
	o, dry := &options{}, &dryRunFlags{}
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "Read the configuration files and say every error in them",
		Long: `validate reads the injection configuration, the mesh configuration and the chart
values as the server would, compiles the templates and tries them on sample pods.
With --dry-run=server the API server judges what comes of these pods, too. It
exits with 1 and says every error, or says what it read.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := errors.Join(o.validateConfigFlags(), dry.validate()); err != nil {
				return cli.UsageError{Err: err}
			}
			return p.validate(cmd.Context(), o, dry)
		},
	}
	o.addConfigFlags(cmd.Flags())
	dry.addFlags(cmd.Flags())
	return cmd
}

func (p *program) validate(ctx context.Context, o *options, dry *dryRunFlags) error {
	snapshot, found, err := source.Load(ctx, o.server.Files, inject.Options{
		Revision: o.server.Revision, Platform: o.server.Platform, CompliancePolicy: o.server.CompliancePolicy,
		Env: o.templateEnvironment(p.env),
		// Without a cluster to ask, auto is off, as in the server.
		Cluster: clusterinfo.New(o.server.NativeSidecars),
	})
	if err != nil {
		return err
	}
	p.warn(found.Warnings)
	if err := found.Err(); err != nil {
		return err
	}
	tried := ""
	// The API server would say of a pod with an error the same in other words, so it
	// is asked about good ones only.
	if dry.mode == "server" {
		if tried, err = p.dryRun(ctx, snapshot, dry); err != nil {
			return err
		}
	}
	cfg := snapshot.Config()
	_, err = fmt.Fprintf(p.stdout, "configuration is valid\ndialect:   %s\npolicy:    %s\ntemplates: %s\ndefault:   %s\nhash:      %s\n%s",
		snapshot.Dialect(), cfg.Policy, strings.Join(snapshot.TemplateNames(), ", "), strings.Join(cfg.DefaultTemplates, ", "), snapshot.Hash(), tried)
	return err
}

// dryRun has the API server judge the sample pods, and returns a line about it.
func (p *program) dryRun(ctx context.Context, snapshot *inject.Snapshot, dry *dryRunFlags) (string, error) {
	access, err := kube.Config(dry.kubeconfig, "sidecar-injector-validate")
	if err != nil {
		return "", err
	}
	access.WarningHandler = rest.NoWarnings{}
	clients, err := kube.NewClients(access)
	if err != nil {
		return "", err
	}
	server := dryrun.Server{
		Pods: clients.Pods(dry.namespace), Namespace: dry.namespace, Patience: rightPatience,
		Strict: snapshot.Config().FieldValidation == config.FieldValidationStrict, Asked: snapshot.Config().AdditionalFields,
	}
	result := server.Try(ctx, snapshot.Trials(ctx))
	p.warn(result.Warnings)
	p.warn(result.Skipped)
	return fmt.Sprintf("dry run:   %d sample pods tried by the API server\n", result.Tried), errors.Join(result.Errors...)
}

func (p *program) warn(warnings []string) {
	for _, warning := range warnings {
		fmt.Fprintln(p.stderr, "warning: "+warning)
	}
}
