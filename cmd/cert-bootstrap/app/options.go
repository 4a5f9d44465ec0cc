package app

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/certs"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/webhookcfg"
)

// The modes: who of several processes does what.
const (
	modeBootstrap = "bootstrap" // make what is missing, write the files
	modeRenew     = "renew"     // also finish a change of CA
	modeWait      = "wait"      // read only
)

type options struct {
	mode              string
	secret            types.NamespacedName
	service           string
	clusterDomain     string
	webhookConfigName []string
	webhookName       []string
	guardConfigName   []string
	out               string
	policy            certs.Policy
	timeout           time.Duration
	kubeconfig        string
	print             bool
	logFormat         string
}

const usage = `cert-bootstrap makes the certificates of the injector's webhook server before the server starts.

It reads a Secret. If the certificate in it cannot be used or is due for renewal,
it makes a new one and writes it back. It then puts the CA into the webhook
configurations and writes root-cert.pem, cert-chain.pem and key.pem to --out.
Exit status: 0 the files are good, 1 failure, 2 wrong usage.

Usage: cert-bootstrap --namespace NAMESPACE --secret NAME --service NAME [flags]

`

// parse reads the command line. pflag.ErrHelp means that help was asked for.
func parse(args []string, env map[string]string, help io.Writer) (*options, error) {
	o := &options{}
	flags := o.flags(env)
	flags.SetOutput(io.Discard)
	flags.Usage = func() { fmt.Fprint(help, usage, flags.FlagUsagesWrapped(100)) }
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q: everything is given by flags", flags.Arg(0))
	}
	return o, o.complete()
}

func (o *options) flags(env map[string]string) *pflag.FlagSet {
	f := pflag.NewFlagSet("cert-bootstrap", pflag.ContinueOnError)
	f.SortFlags = false
	f.StringVar(&o.secret.Namespace, "namespace", env["POD_NAMESPACE"], "namespace of the Secret and the Service (environment: POD_NAMESPACE)")
	f.StringVar(&o.secret.Name, "secret", "istio.istio-sidecar-injector-service-account", "name of the Secret that holds the certificates")
	f.StringVar(&o.service, "service", "istio-sidecar-injector", "name of the webhook's Service; the certificate is for its DNS names")
	f.StringVar(&o.clusterDomain, "clusterDomain", pki.DefaultClusterDomain, "DNS domain of the cluster")
	f.StringSliceVar(&o.webhookConfigName, "webhookConfigName", []string{"istio-sidecar-injector"}, "webhook configurations to put the CA into, comma separated; empty: none")
	f.StringSliceVar(&o.webhookName, "webhookName", []string{"sidecar-injector.istio.io"}, "names of the webhooks in them, comma separated")
	f.StringSliceVar(&o.guardConfigName, "validatingWebhookConfigName", nil, "ValidatingWebhookConfigurations that get the CA too, in the entry "+webhookcfg.GuardWebhook+", comma separated; nothing waits for them")
	f.StringVar(&o.out, "out", "/etc/istio/certs", "directory to write the files to; empty: none")
	f.StringVar(&o.mode, "mode", modeBootstrap, "bootstrap: make what is missing; renew: also finish a change of CA that is due; wait: read only, wait until another process has made a good certificate")
	f.DurationVar(&o.policy.CAValidity, "caValidity", certs.DefaultCAValidity, "validity of a new CA")
	f.DurationVar(&o.policy.CertValidity, "certValidity", certs.DefaultCertValidity, "validity of a new serving certificate")
	f.DurationVar(&o.policy.RenewBefore, "renewBefore", 0, "renew the serving certificate this long before its end (default a third of its validity)")
	f.DurationVar(&o.policy.CARenewBefore, "caRenewBefore", 0, "replace the CA this long before its end (default a third of its validity)")
	f.DurationVar(&o.policy.TrustPropagation, "trustPropagation", certs.DefaultTrustPropagation, "how long a next CA is in the webhook configuration before a certificate of it is served")
	f.DurationVar(&o.timeout, "timeout", time.Minute, "give up after this time")
	f.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig file (default: the pod's service account)")
	f.BoolVar(&o.print, "print", false, "say what would be done and change nothing")
	f.StringVar(&o.logFormat, "log-format", "text", "text or json")
	return f
}

// complete validates and derives the policy; all errors at once.
func (o *options) complete() error {
	var errs []error
	if modes := []string{modeBootstrap, modeRenew, modeWait}; !slices.Contains(modes, o.mode) {
		errs = append(errs, fmt.Errorf("invalid --mode %q, must be one of %s", o.mode, strings.Join(modes, ", ")))
	}
	if o.logFormat != "text" && o.logFormat != "json" {
		errs = append(errs, fmt.Errorf(`invalid --log-format %q, must be "text" or "json"`, o.logFormat))
	}
	if o.secret.Namespace == "" {
		errs = append(errs, errors.New("--namespace is missing, and POD_NAMESPACE is not set"))
	} else if _, err := kube.ParseName(o.secret.String()); err != nil {
		errs = append(errs, fmt.Errorf("invalid --namespace %q or --secret %q: not names of Kubernetes objects", o.secret.Namespace, o.secret.Name))
	}
	if o.service == "" {
		errs = append(errs, errors.New("--service is missing"))
	}
	if o.timeout <= 0 {
		errs = append(errs, fmt.Errorf("invalid --timeout %s, must be more than 0", o.timeout))
	}
	if len(o.webhookConfigName) > 0 && len(o.webhookName) == 0 {
		errs = append(errs, errors.New("--webhookName is missing"))
	}
	if slices.Contains(o.guardConfigName, "") {
		errs = append(errs, fmt.Errorf("invalid --validatingWebhookConfigName %q: a name is empty", strings.Join(o.guardConfigName, ",")))
	}
	if len(o.guardConfigName) > 0 && len(o.webhookConfigName) == 0 {
		errs = append(errs, errors.New("--validatingWebhookConfigName needs --webhookConfigName"))
	}
	o.policy.Hosts = pki.ServiceHosts(o.service, o.secret.Namespace, o.clusterDomain)
	o.policy.CommonName = o.service
	o.policy.CA = pki.CASubject(o.secret.Namespace, o.secret.Name)
	o.policy.ReadOnly = o.mode == modeWait
	o.policy = o.policy.Complete()
	errs = append(errs, o.policy.Validate())
	if o.mode == modeRenew && o.timeout <= o.policy.TrustPropagation {
		errs = append(errs, fmt.Errorf("--timeout %s must be more than --trustPropagation %s, which a change of CA waits for", o.timeout, o.policy.TrustPropagation))
	}
	return errors.Join(errs...)
}
