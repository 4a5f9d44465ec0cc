package app

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/guard"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/serve"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/certs"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/webhookcfg"
)

// options are the flags' values: what the server is told, and what is worked out
// from the others.
type options struct {
	server             serve.Options
	templateEnv        []string
	rotateCertificates bool
	logLevel           string
	logFormat          string

	ignored []string // classic flags that were given and mean nothing here
}

// addConfigFlags adds the flags that say what to inject; `validate` has them too.
func (o *options) addConfigFlags(f *pflag.FlagSet) {
	f.StringVar(&o.server.Files.InjectConfig, "injectConfig", "/etc/istio/inject/config", "injection configuration `file`")
	f.StringVar(&o.server.Files.InjectValues, "injectValues", "/etc/istio/inject/values", "`file` of chart values for templates; a missing one counts as {}")
	f.StringVar(&o.server.Files.MeshConfig, "meshConfig", "/etc/istio/config/mesh", "mesh configuration `file`")
	f.StringVar(&o.server.Revision, "revision", "default", "this injector's revision `name`")
	f.StringVar(&o.server.Platform, "platform", "", "`platform` with rules of its own: openshift, or empty")
	f.StringVar(&o.server.CompliancePolicy, "compliancePolicy", "", "compliance policy `name` shown to templates")
	f.StringSliceVar(&o.templateEnv, "templateEnv", nil, "environment variable `names` that the template function env may read, comma separated")
	f.StringVar(&o.server.NativeSidecars, "nativeSidecars", "auto", "use native sidecars, `mode` auto (when every node can), on, or off; without an API server auto is off")
}

func (o *options) addServeFlags(f *pflag.FlagSet) {
	f.StringVar(&o.server.CertFile, "tlsCertFile", "/etc/istio/certs/cert-chain.pem", "serving certificate `file` (PEM, leaf first)")
	f.StringVar(&o.server.KeyFile, "tlsKeyFile", "/etc/istio/certs/key.pem", "`file` with the serving certificate's private key (PEM)")
	f.StringVar(&o.server.CAFile, "caCertFile", "/etc/istio/certs/root-cert.pem", "`file` with the CA certificates that callers trust (PEM)")
	f.StringVar(&o.server.ClientCAFile, "clientCAFile", "", "CA `file` (PEM): callers must present a certificate of one of its CAs; empty asks for none")
	f.StringSliceVar(&o.server.ClientNames, "clientNames", nil, "`names` of callers, comma separated: a certificate of --clientCAFile must have one as its common name or a DNS name; empty lets in all")
	f.IntVar(&o.server.Port, "port", 443, "webhook `port`; 0 picks a free one and logs it")
	f.IntVar(&o.server.MonitoringPort, "monitoringPort", 15014, "`port` for /metrics, /healthz, /readyz, /version, /debug/config in plain HTTP; 0 picks a free one and logs it")
	f.DurationVar(&o.server.HealthCheckInterval, "healthCheckInterval", 0, "how often to touch --healthCheckFile after a good TLS request to itself; 0 turns it off")
	f.StringVar(&o.server.HealthCheckFile, "healthCheckFile", "", "`file` to touch, for the probe command; empty turns it off")
	f.StringVar(&o.server.Kubeconfig, "kubeconfig", "", "kubeconfig `file` for use outside a cluster; empty uses the pod's service account")
	f.StringSliceVar(&o.server.WebhookConfigNames, "webhookConfigName", []string{"istio-sidecar-injector"}, "`names` of the MutatingWebhookConfigurations whose caBundle is kept right, comma separated")
	f.StringVar(&o.server.WebhookName, "webhookName", "sidecar-injector.istio.io", "`name` of the webhook entry in them")
	f.StringSliceVar(&o.server.GuardConfigNames, "validatingWebhookConfigName", nil, "`names` of the ValidatingWebhookConfigurations whose caBundle is kept right too, in the entry "+webhookcfg.GuardWebhook+", comma separated; nothing waits for them")
	f.BoolVar(&o.server.ReconcileWebhookConfig, "reconcileWebhookConfig", true, "keep the caBundle right; false needs no API server")
	f.StringVar(&o.server.InjectConfigMap, "injectConfigMap", "", "`namespace/name` of the ConfigMap (keys config, values) to follow after starting from the files; empty uses the files alone")
	f.StringVar(&o.server.MeshConfigMap, "meshConfigMap", "", "`namespace/name` of the ConfigMap (key mesh) to follow after starting from the file; empty uses the file alone")
	f.StringVar(&o.server.InjectorImage, "injectorImage", "", "`image` that this server runs: a ConfigMap whose annotation "+guard.StampAnnotation+" names another one is not judged before it is stored")
	f.StringVar(&o.server.LastGoodConfigMap, "lastGoodConfigMap", "", "`namespace/name` of the ConfigMap to record the last good configuration in, for a start while the current one is refused; needs --injectConfigMap and --meshConfigMap; empty records none")
	f.StringVar(&o.server.LastGoodDir, "lastGoodDir", "", "`directory` where that ConfigMap is mounted, for a start without the API server; empty: it is not")
	f.StringVar(&o.server.CertSecret, "certSecret", "", "`namespace/name` of the Secret that holds the certificates, to watch and rotate; empty uses the files alone")
	f.BoolVar(&o.rotateCertificates, "rotateCertificates", true, "renew what is in --certSecret; false only follows it, for when something else renews it")
	f.StringVar(&o.server.Service, "service", "", "`name` of the Service that certificates in --certSecret are made for; empty keeps the names in --tlsCertFile")
	f.StringVar(&o.server.ClusterDomain, "clusterDomain", pki.DefaultClusterDomain, "DNS `suffix` of services")
	f.DurationVar(&o.server.RotationPolicy.CAValidity, "caValidity", certs.DefaultCAValidity, "how long a new CA in --certSecret is valid")
	f.DurationVar(&o.server.RotationPolicy.CertValidity, "certValidity", certs.DefaultCertValidity, "how long a new serving certificate in --certSecret is valid")
	f.DurationVar(&o.server.RotationPolicy.RenewBefore, "renewBefore", 0, "how long before its end a serving certificate is renewed; 0 is a third of its validity")
	f.DurationVar(&o.server.RotationPolicy.CARenewBefore, "caRenewBefore", 0, "how long before its end a CA is replaced; 0 is a third of its validity")
	f.DurationVar(&o.server.RotationPolicy.TrustPropagation, "trustPropagation", certs.DefaultTrustPropagation, "how long a new CA is in caBundle before a certificate of it is served")
	f.DurationVar(&o.server.ShutdownDelay, "shutdownDelay", 5*time.Second, "after SIGTERM, how long to say not ready and go on serving")
	f.DurationVar(&o.server.ShutdownTimeout, "shutdownTimeout", 20*time.Second, "after that, how long open requests may take to finish")
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
	}{{"port", o.server.Port}, {"monitoringPort", o.server.MonitoringPort}} {
		if p.value < 0 || p.value > 65535 {
			bad(p.flag, fmt.Sprint(p.value), "must be between 0 and 65535")
		}
	}
	if o.server.Port != 0 && o.server.Port == o.server.MonitoringPort {
		bad("monitoringPort", fmt.Sprint(o.server.MonitoringPort), "must differ from --port")
	}
	for flag, d := range map[string]time.Duration{
		"healthCheckInterval": o.server.HealthCheckInterval,
		"shutdownDelay":       o.server.ShutdownDelay,
		"shutdownTimeout":     o.server.ShutdownTimeout,
	} {
		if d < 0 {
			bad(flag, d.String(), "must not be negative")
		}
	}
	for _, r := range []struct{ flag, value string }{
		{"injectConfigMap", o.server.InjectConfigMap}, {"meshConfigMap", o.server.MeshConfigMap}, {"lastGoodConfigMap", o.server.LastGoodConfigMap}, {"certSecret", o.server.CertSecret},
	} {
		if _, err := kube.ParseName(r.value); r.value != "" && err != nil {
			bad(r.flag, r.value, err.Error())
		}
	}
	if o.server.LastGoodConfigMap != "" && (o.server.InjectConfigMap == "" || o.server.MeshConfigMap == "") {
		bad("lastGoodConfigMap", o.server.LastGoodConfigMap, "needs --injectConfigMap and --meshConfigMap, with which the record is compared")
	}
	if o.server.ReconcileWebhookConfig && (len(o.server.WebhookConfigNames) == 0 || slices.Contains(o.server.WebhookConfigNames, "")) {
		bad("webhookConfigName", strings.Join(o.server.WebhookConfigNames, ","), "must name a MutatingWebhookConfiguration, or set --reconcileWebhookConfig=false")
	}
	if slices.Contains(o.server.GuardConfigNames, "") {
		bad("validatingWebhookConfigName", strings.Join(o.server.GuardConfigNames, ","), "a name is empty")
	}
	if names := o.server.ClientNames; len(names) > 0 && (o.server.ClientCAFile == "" || slices.Contains(names, "")) {
		bad("clientNames", strings.Join(names, ","), "must be names, and need --clientCAFile")
	}
	if o.server.ReconcileWebhookConfig && o.server.WebhookName == "" {
		bad("webhookName", "", "must name the webhook entry, or set --reconcileWebhookConfig=false")
	}
	if o.server.CertSecret != "" {
		// The names come from the files where no flag says them, so they cannot be
		// judged yet; the durations can.
		policy := o.server.RotationPolicy
		policy.Hosts = []string{"host"}
		errs = append(errs, policy.Complete().Validate())
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
	if !slices.Contains([]string{"auto", "on", "off"}, o.server.NativeSidecars) {
		errs = append(errs, fmt.Errorf(`invalid --nativeSidecars %q: must be "auto", "on" or "off"`, o.server.NativeSidecars))
	}
	if o.server.Platform != "" && o.server.Platform != "openshift" {
		errs = append(errs, fmt.Errorf(`invalid --platform %q: must be "openshift" or empty`, o.server.Platform))
	}
	for flag, file := range map[string]string{"injectConfig": o.server.Files.InjectConfig, "meshConfig": o.server.Files.MeshConfig} {
		if file == "" {
			errs = append(errs, fmt.Errorf("invalid --%s %q: must name a file", flag, file))
		}
	}
	return errors.Join(errs...)
}

// templateEnvironment returns the variables that templates may read.
func (o *options) templateEnvironment(env map[string]string) map[string]string {
	allowed := map[string]string{}
	for _, name := range o.templateEnv {
		if value, ok := env[name]; ok {
			allowed[name] = value
		}
	}
	return allowed
}
