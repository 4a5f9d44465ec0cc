package app

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/client-go/rest"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cli"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/dryrun"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

// checkDryRun says what is wrong with the value of --dry-run.
func checkDryRun(mode string) error {
	if mode != "none" && mode != "server" {
		return cli.Usagef(`invalid --dry-run %q: must be "none" or "server"`, mode)
	}
	return nil
}

// dryRun has the API server judge the injected sample pods, in the namespace of the
// command line or the kubeconfig, and returns a line about it.
func (p *program) dryRun(ctx context.Context, snapshot *inject.Snapshot) (string, error) {
	access, err := p.kube.ToRESTConfig()
	if err != nil {
		return "", err
	}
	namespace, _, err := p.kube.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return "", err
	}
	access.UserAgent, access.WarningHandler = "kubectl-sidecar", rest.NoWarnings{}
	clients, err := kube.NewClients(access)
	if err != nil {
		return "", err
	}
	cfg := snapshot.Config()
	result := dryrun.Server{
		Pods: clients.Pods(namespace), Namespace: namespace,
		Strict: cfg.FieldValidation == config.FieldValidationStrict, Asked: cfg.AdditionalFields,
	}.Try(ctx, snapshot.Trials(ctx))
	for _, warning := range append(result.Warnings, result.Skipped...) {
		p.warn("%s", warning)
	}
	return fmt.Sprintf("dry run:   %d sample pods tried by the API server in namespace %s\n", result.Tried, namespace), errors.Join(result.Errors...)
}
