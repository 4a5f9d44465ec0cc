package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cli"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/injectcheck"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
)

// checkPause is the time between two tries of the check.
const checkPause = 500 * time.Millisecond

// checkCommand asks a cluster for a pod and looks whether it was injected: the
// whole way through the API server, as a user's pod goes it.
func (p *program) checkCommand() *cobra.Command {
	var kubeconfig, namespace string
	var podLabels map[string]string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Say whether a pod created in a namespace gets the sidecar",
		Long: `check asks the API server, as a dry run, for a pod in the namespace, and looks
whether it comes back injected. Nothing is created. What is normal right after an
installation is tried again until the timeout. It needs the right to create pods
in that namespace, and nothing else.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var errs []error
			if namespace == "" {
				errs = append(errs, errors.New(`invalid --namespace "": must name the namespace to create the pod in`))
			}
			if timeout <= 0 {
				errs = append(errs, fmt.Errorf("invalid --timeout %q: must be longer than 0", timeout))
			}
			if err := errors.Join(errs...); err != nil {
				return cli.UsageError{Err: err}
			}
			config, err := kube.Config(kubeconfig, "sidecar-injector-check")
			if err != nil {
				return err
			}
			config.WarningHandlerWithContext = warningsTo{p.stdout}
			client, err := kube.NewClients(config)
			if err != nil {
				return err
			}
			c := &injectcheck.Check{Pods: client.Pods(namespace), Namespace: namespace, Labels: podLabels, Pause: checkPause, Out: p.stdout}
			return c.Run(cmd.Context(), timeout)
		},
	}
	cmd.Flags().StringVar(&kubeconfig, "kubeconfig", "", "kubeconfig `file` for use outside a cluster; empty uses the pod's service account")
	cmd.Flags().StringVar(&namespace, "namespace", "", "`namespace` whose pods are to be injected")
	cmd.Flags().StringToStringVar(&podLabels, "labels", nil, "`labels` of the pod, key=value, comma separated")
	cmd.Flags().DurationVar(&timeout, "timeout", time.Minute, "how long to go on trying")
	return cmd
}

type warningsTo struct{ out io.Writer }

func (w warningsTo) HandleWarningHeaderWithContext(_ context.Context, code int, _, text string) {
	if code == 299 && text != "" {
		fmt.Fprintln(w.out, "warning: "+text)
	}
}

var _ rest.WarningHandlerWithContext = warningsTo{}
