// Package app is the program cert-bootstrap.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"

	"github.com/spf13/pflag"
	"k8s.io/utils/clock"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cli"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/certs"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/webhookcfg"
)

// Run is the program: it returns the exit status. Every failure is one sentence on
// stderr.
func Run(ctx context.Context, args, env []string, _ io.Reader, stdout, stderr io.Writer) int {
	o, err := parse(args, cli.Environment(env), stdout)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return cli.ExitOK
	case err != nil:
		err = cli.UsageError{Err: err}
	default:
		err = run(ctx, o, stdout, cli.NewLogger(stderr, o.logFormat, slog.LevelInfo))
	}
	return cli.Report(stderr, "cert-bootstrap", "cert-bootstrap", err)
}

func run(ctx context.Context, o *options, stdout io.Writer, log *slog.Logger) error {
	store, trust, err := connect(o, log)
	if err != nil {
		return err
	}
	if err := writable(o); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	ensure := certs.EnsureOptions{
		Store: store, Secret: o.secret, Policy: o.policy, Finish: o.mode == modeRenew,
		Clock: clock.RealClock{}, Log: log, Recorder: certs.NoRecorder{},
	}
	if trust != nil {
		ensure.CABundle = trust
	}
	if o.print {
		return preview(limited, ensure, trust, o.out, stdout)
	}
	bundle, err := certs.Ensure(limited, ensure)
	switch {
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("stopped by a signal; last: %w", err)
	case err != nil:
		return fmt.Errorf("gave up after %s: %w", o.timeout, err)
	}
	if o.out == "" {
		return nil
	}
	if err := writeFiles(o.out, bundle); err != nil {
		return err
	}
	log.Info("files written", "directory", o.out, "until", bundle.Leaf.Cert.NotAfter)
	return nil
}

// connect makes the clients. The second is nil where no caBundle is kept.
func connect(o *options, log *slog.Logger) (certs.Store, *webhookcfg.Reconciler, error) {
	config, err := kube.Config(o.kubeconfig, "cert-bootstrap")
	if err != nil {
		return nil, nil, err
	}
	// One call must not use up all the time: the next one may be answered.
	config.Timeout = min(callTimeout, o.timeout)
	clients, err := kube.NewClients(config)
	if err != nil {
		return nil, nil, err
	}
	store := certs.NewStore(clients.Secrets(o.secret.Namespace), o.secret.Name)
	if o.mode == modeWait || len(o.webhookConfigName) == 0 {
		return store, nil, nil
	}
	trust, err := webhookcfg.New(webhookcfg.Options{
		Client:  clients.MutatingWebhookConfigurations(),
		Configs: o.webhookConfigName, Webhooks: o.webhookName,
		GuardClient: clients.ValidatingWebhookConfigurations(), GuardConfigs: o.guardConfigName,
		Observe: o.print, Ours: o.policy.CA.Is, PruneDelay: o.policy.TrustPropagation,
		Clock: clock.RealClock{}, Rand: rand.Float64, Log: log, Recorder: certs.NoRecorder{},
	})
	return store, trust, err
}

// writable finds out before anything is changed in the cluster whether the files
// can be written.
func writable(o *options) error {
	if o.out == "" || o.print {
		return nil
	}
	if err := os.MkdirAll(o.out, 0o700); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	probe, err := os.CreateTemp(o.out, ".writable-*")
	if err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	probe.Close()
	return os.Remove(probe.Name())
}
