package app

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/certs"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
)

// options are the flags' values.
type options struct {
	injectConfig, injectValues, meshConfig string
	revision, platform, compliancePolicy   string
	nativeSidecars                         string
	templateEnv                            []string

	tlsCertFile, tlsKeyFile, caCertFile, clientCAFile string
	port, monitoringPort                              int
	healthCheckInterval                               time.Duration
	healthCheckFile                                   string
	kubeconfig                                        string
	webhookConfigNames                                []string
	webhookName                                       string
	reconcileWebhookConfig                            bool
	injectConfigMap, meshConfigMap, certSecret        string
	service, clusterDomain                            string
	caValidity, certValidity                          time.Duration
	caRenewBefore, renewBefore, trustPropagation      time.Duration
	rotateCertificates                                bool
	shutdownDelay, shutdownTimeout                    time.Duration
	logLevel, logFormat                               string

	ignored []string // classic flags that were given and mean nothing here
}

func newOptions() *options { return &options{} }

// addConfigFlags adds the flags that say what to inject; `validate` has them too.
func (o *options) addConfigFlags(f *pflag.FlagSet) {
	f.StringVar(&o.injectConfig, "injectConfig", "/etc/istio/inject/config", "injection configuration `file`")
	f.StringVar(&o.injectValues, "injectValues", "/etc/istio/inject/values", "`file` of chart values for templates; a missing one counts as {}")
	f.StringVar(&o.meshConfig, "meshConfig", "/etc/istio/config/mesh", "mesh configuration `file`")
	f.StringVar(&o.revision, "revision", "default", "this injector's revision `name`")
	f.StringVar(&o.platform, "platform", "", "`platform` with rules of its own: openshift, or empty")
	f.StringVar(&o.compliancePolicy, "compliancePolicy", "", "compliance policy `name` shown to templates")
	f.StringSliceVar(&o.templateEnv, "templateEnv", nil, "environment variable `names` that the template function env may read, comma separated")
	f.StringVar(&o.nativeSidecars, "nativeSidecars", "auto", "use native sidecars, `mode` auto (when every node can), on, or off; without an API server auto is off")
}

func (o *options) addServeFlags(f *pflag.FlagSet) {
	f.StringVar(&o.tlsCertFile, "tlsCertFile", "/etc/istio/certs/cert-chain.pem", "serving certificate `file` (PEM, leaf first)")
	f.StringVar(&o.tlsKeyFile, "tlsKeyFile", "/etc/istio/certs/key.pem", "`file` with the serving certificate's private key (PEM)")
	f.StringVar(&o.caCertFile, "caCertFile", "/etc/istio/certs/root-cert.pem", "`file` with the CA certificates that callers trust (PEM)")
	f.StringVar(&o.clientCAFile, "clientCAFile", "", "CA `file` (PEM): callers must present a certificate of one of its CAs; empty asks for none")
	f.IntVar(&o.port, "port", 443, "webhook `port`; 0 picks a free one and logs it")
	f.IntVar(&o.monitoringPort, "monitoringPort", 15014, "`port` for /metrics, /healthz, /readyz, /version, /debug/config in plain HTTP; 0 picks a free one and logs it")
	f.DurationVar(&o.healthCheckInterval, "healthCheckInterval", 0, "how often to touch --healthCheckFile after a good TLS request to itself; 0 turns it off")
	f.StringVar(&o.healthCheckFile, "healthCheckFile", "", "`file` to touch, for the probe command; empty turns it off")
	f.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig `file` for use outside a cluster; empty uses the pod's service account")
	f.StringSliceVar(&o.webhookConfigNames, "webhookConfigName", []string{"istio-sidecar-injector"}, "`names` of the MutatingWebhookConfigurations whose caBundle is kept right, comma separated")
	f.StringVar(&o.webhookName, "webhookName", "sidecar-injector.istio.io", "`name` of the webhook entry in them")
	f.BoolVar(&o.reconcileWebhookConfig, "reconcileWebhookConfig", true, "keep the caBundle right; false needs no API server")
	f.StringVar(&o.injectConfigMap, "injectConfigMap", "", "`namespace/name` of the ConfigMap (keys config, values) to follow after starting from the files; empty uses the files alone")
	f.StringVar(&o.meshConfigMap, "meshConfigMap", "", "`namespace/name` of the ConfigMap (key mesh) to follow after starting from the file; empty uses the file alone")
	f.StringVar(&o.certSecret, "certSecret", "", "`namespace/name` of the Secret that holds the certificates, to watch and rotate; empty uses the files alone")
	f.BoolVar(&o.rotateCertificates, "rotateCertificates", true, "renew what is in --certSecret; false only follows it, for when something else renews it")
	f.StringVar(&o.service, "service", "", "`name` of the Service that certificates in --certSecret are made for; empty keeps the names in --tlsCertFile")
	f.StringVar(&o.clusterDomain, "clusterDomain", pki.DefaultClusterDomain, "DNS `suffix` of services")
	f.DurationVar(&o.caValidity, "caValidity", certs.DefaultCAValidity, "how long a new CA in --certSecret is valid")
	f.DurationVar(&o.certValidity, "certValidity", certs.DefaultCertValidity, "how long a new serving certificate in --certSecret is valid")
	f.DurationVar(&o.renewBefore, "renewBefore", 0, "how long before its end a serving certificate is renewed; 0 is a third of its validity")
	f.DurationVar(&o.caRenewBefore, "caRenewBefore", 0, "how long before its end a CA is replaced; 0 is a third of its validity")
	f.DurationVar(&o.trustPropagation, "trustPropagation", certs.DefaultTrustPropagation, "how long a new CA is in caBundle before a certificate of it is served")
	f.DurationVar(&o.shutdownDelay, "shutdownDelay", 5*time.Second, "after SIGTERM, how long to say not ready and go on serving")
	f.DurationVar(&o.shutdownTimeout, "shutdownTimeout", 20*time.Second, "after that, how long open requests may take to finish")
	o.addLogFlags(f)
}

func (o *options) addLogFlags(f *pflag.FlagSet) {
	f.StringVar(&o.logLevel, "log_output_level", "info", "lowest `level` that is logged: debug, info, warn, error or none; scope:level counts for all scopes")
	f.StringVar(&o.logFormat, "log-format", "text", "log `format`: text or json")
}

// validate finds everything that is wrong with the flags of the server.
func (o *options) validate(flags *pflag.FlagSet) error {
	var errs []error
	bad := func(flag, value, want string) {
		errs = append(errs, fmt.Errorf("invalid --%s %q: %s", flag, value, want))
	}
	errs = append(errs, o.validateConfigFlags())
	for _, p := range []struct {
		flag  string
		value int
	}{{"port", o.port}, {"monitoringPort", o.monitoringPort}} {
		if p.value < 0 || p.value > 65535 {
			bad(p.flag, fmt.Sprint(p.value), "must be between 0 and 65535")
		}
	}
	if o.port != 0 && o.port == o.monitoringPort {
		bad("monitoringPort", fmt.Sprint(o.monitoringPort), "must differ from --port")
	}
	for flag, d := range map[string]time.Duration{
		"healthCheckInterval": o.healthCheckInterval,
		"shutdownDelay":       o.shutdownDelay,
		"shutdownTimeout":     o.shutdownTimeout,
	} {
		if d < 0 {
			bad(flag, d.String(), "must not be negative")
		}
	}
	for _, r := range []struct{ flag, value string }{
		{"injectConfigMap", o.injectConfigMap}, {"meshConfigMap", o.meshConfigMap}, {"certSecret", o.certSecret},
	} {
		if _, err := kube.ParseName(r.value); r.value != "" && err != nil {
			bad(r.flag, r.value, err.Error())
		}
	}
	if o.reconcileWebhookConfig && (len(o.webhookConfigNames) == 0 || slices.Contains(o.webhookConfigNames, "")) {
		bad("webhookConfigName", strings.Join(o.webhookConfigNames, ","), "must name a MutatingWebhookConfiguration, or set --reconcileWebhookConfig=false")
	}
	if o.reconcileWebhookConfig && o.webhookName == "" {
		bad("webhookName", "", "must name the webhook entry, or set --reconcileWebhookConfig=false")
	}
	if o.certSecret != "" {
		// The names come from the files where no flag says them, so they cannot be
		// judged yet; the durations can.
		policy := o.certPolicy(types.NamespacedName{}, []string{"host"}, "")
		errs = append(errs, policy.Validate())
	}
	if _, err := parseLevel(o.logLevel); err != nil {
		bad("log_output_level", o.logLevel, err.Error())
	}
	if o.logFormat != "text" && o.logFormat != "json" {
		bad("log-format", o.logFormat, `must be "text" or "json"`)
	}
	o.ignored = givenClassicFlags(flags)
	return errors.Join(errs...)
}

// validateConfigFlags finds what is wrong with the flags of addConfigFlags.
func (o *options) validateConfigFlags() error {
	var errs []error
	if !slices.Contains([]string{"auto", "on", "off"}, o.nativeSidecars) {
		errs = append(errs, fmt.Errorf(`invalid --nativeSidecars %q: must be "auto", "on" or "off"`, o.nativeSidecars))
	}
	if o.platform != "" && o.platform != "openshift" {
		errs = append(errs, fmt.Errorf(`invalid --platform %q: must be "openshift" or empty`, o.platform))
	}
	for flag, file := range map[string]string{"injectConfig": o.injectConfig, "meshConfig": o.meshConfig} {
		if file == "" {
			errs = append(errs, fmt.Errorf("invalid --%s %q: must name a file", flag, file))
		}
	}
	return errors.Join(errs...)
}
