package app

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/pflag"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cli"
)

// options say where the configuration comes from, and what is set beside it.
type options struct {
	injectConfigFile, meshConfigFile, valuesFile string

	chart, releaseName, kubeVersion string
	values, set, setString          []string
	setJSON, setFile, setLiteral    []string

	revision, nativeSidecars, platform, compliancePolicy string
	given                                                *pflag.FlagSet
}

func (o *options) addFlags(f *pflag.FlagSet) {
	o.given = f
	f.StringVar(&o.injectConfigFile, "injectConfigFile", "", "injection configuration `file` (key config of the injector's ConfigMap)")
	f.StringVar(&o.meshConfigFile, "meshConfigFile", "", "mesh configuration `file` (key mesh of the mesh's ConfigMap)")
	f.StringVar(&o.valuesFile, "valuesFile", "", "`file` with what templates see as .Values (key values of the injector's ConfigMap)")
	f.StringVar(&o.chart, "chart", "", "take the configuration from this chart, a `directory` or an archive, rendered as helm template would")
	f.StringArrayVar(&o.values, "values", nil, "with --chart: values `file`, may be given several times (helm's own -f is the manifest here)")
	f.StringArrayVar(&o.set, "set", nil, "with --chart: set a value, `key=value`, may be given several times, as all that set values")
	f.StringArrayVar(&o.setString, "set-string", nil, "with --chart: set a value that is text, `key=value`")
	f.StringArrayVar(&o.setJSON, "set-json", nil, "with --chart: set a value in JSON, `key=value`")
	f.StringArrayVar(&o.setFile, "set-file", nil, "with --chart: set a value that is a file's text, `key=path`, such as a template: templates.sidecar=my.yaml")
	f.StringArrayVar(&o.setLiteral, "set-literal", nil, "with --chart: set a value that is text in which nothing is special, `key=value`")
	f.StringVar(&o.releaseName, "release-name", "istio-sidecar-injector", "with --chart: the release's `name`")
	f.StringVar(&o.kubeVersion, "kube-version", "v1.36.0", "with --chart: Kubernetes `version` to render for")
	f.StringVar(&o.revision, "revision", "", "`name` of the injector's revision; in a cluster with several it picks one (default: what the configuration's place says, else default)")
	f.StringVar(&o.nativeSidecars, "nativeSidecars", "", "use native sidecars, `mode` auto (when every node can), on, or off (default: what the configuration's place says, else auto; auto without a cluster is off)")
	f.StringVar(&o.platform, "platform", "", "`platform` with rules of its own: openshift, or empty (default: what the configuration's place says)")
	f.StringVar(&o.compliancePolicy, "compliancePolicy", "", "compliance policy `name` shown to templates (default: what the configuration's place says)")
}

// validate finds everything that is wrong with the flags.
func (o *options) validate() error {
	var errs []error
	if o.given.Changed("nativeSidecars") && !slices.Contains([]string{"auto", "on", "off"}, o.nativeSidecars) {
		errs = append(errs, fmt.Errorf(`invalid --nativeSidecars %q: must be "auto", "on" or "off"`, o.nativeSidecars))
	}
	if o.platform != "" && o.platform != "openshift" {
		errs = append(errs, fmt.Errorf(`invalid --platform %q: must be "openshift" or empty`, o.platform))
	}
	if o.chart == "" {
		for _, name := range []string{"values", "set", "set-string", "set-json", "set-file", "set-literal", "release-name", "kube-version"} {
			if o.given.Changed(name) {
				errs = append(errs, fmt.Errorf("--%s is about a chart: give --chart as well", name))
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return cli.UsageError{Err: err}
	}
	return nil
}

// fromFiles reports whether files say all that is needed.
func (o *options) fromFiles() bool {
	return o.chart == "" && o.injectConfigFile != "" && o.meshConfigFile != ""
}
