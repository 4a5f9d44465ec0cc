package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	helmvalues "helm.sh/helm/v3/pkg/cli/values"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
)

// fromChart renders a chart as `helm template` would and looks in the result for
// what an installed injector would read.
func (o *options) fromChart(ctx context.Context, namespace string) (*configuration, error) {
	if namespace == "" {
		namespace = "istio-system"
	}
	ch, err := loader.Load(o.chart)
	if err != nil {
		return nil, fmt.Errorf("chart %s: %w", o.chart, err)
	}
	given := newGiven(o, ch)
	values, err := o.chartValues()
	if err != nil {
		return nil, fmt.Errorf("chart %s: %w", o.chart, err)
	}
	manifest, err := o.render(ctx, ch, values, namespace)
	if err != nil {
		return nil, given.placed(o.chart, err)
	}
	r, err := readRendered(manifest, namespace)
	if err != nil {
		return nil, fmt.Errorf("chart %s: %w", o.chart, err)
	}
	c, err := find(ctx, r, "")
	if c == nil {
		return nil, fmt.Errorf("chart %s: %w", o.chart, err)
	}
	c.origin = "chart " + o.chart
	if err := o.contradictions(c); err != nil {
		return nil, err
	}
	all, err := chartutil.CoalesceValues(ch, values)
	if err != nil {
		return nil, fmt.Errorf("chart %s: %w", o.chart, err)
	}
	content, _, _ := walk(map[string]any(all), given.prefix+"injectConfig.content")
	c.from(given, content != nil && content != "")
	// What the chart lacks may be given beside it.
	if c.sources.Inject.Name == "" && o.injectConfigFile == "" || c.sources.Mesh.Name == "" && o.meshConfigFile == "" {
		return nil, fmt.Errorf("chart %s: %w", o.chart, err)
	}
	return c, nil
}

// contradictions are files that are given beside a chart that makes the same.
func (o *options) contradictions(c *configuration) error {
	var errs []error
	for _, f := range []struct {
		flag, path, what, leave string
		source                  config.Source
	}{
		{"injectConfigFile", o.injectConfigFile, "the injection configuration", " (or set injectConfig.content with --set-file)", c.sources.Inject},
		{"meshConfigFile", o.meshConfigFile, "the mesh configuration", "", c.sources.Mesh},
		{"valuesFile", o.valuesFile, "the values that templates see", " (or set templateValues with --values)", c.sources.Values},
	} {
		if f.path != "" && f.source.Name != "" {
			errs = append(errs, fmt.Errorf("--%s and --chart both give %s: leave one of the two out%s", f.flag, f.what, f.leave))
		}
	}
	return errors.Join(errs...)
}

// from says of the chart's configuration where its values were given: nobody can open
// what the chart renders. With content, the injection configuration is a value as a whole.
func (c *configuration) from(g *given, content bool) {
	c.sources.Inject.Origins = g.injection(content)
	c.sources.Mesh.Origins = g.mesh
	c.sources.Values.Origins = g.templateValues
	for _, source := range []*config.Source{&c.sources.Inject, &c.sources.Mesh, &c.sources.Values} {
		source.Name = c.origin
	}
}

// chartValues merges values files and flags as helm does.
func (o *options) chartValues() (map[string]any, error) {
	// No providers: values files are files, whatever their names look like.
	values := helmvalues.Options{
		ValueFiles: o.values, Values: o.set, StringValues: o.setString,
		JSONValues: o.setJSON, FileValues: o.setFile, LiteralValues: o.setLiteral,
	}
	return values.MergeValues(nil)
}

func (o *options) render(ctx context.Context, ch *chart.Chart, values map[string]any, namespace string) (string, error) {
	version, err := chartutil.ParseKubeVersion(o.kubeVersion)
	if err != nil {
		return "", fmt.Errorf("invalid --kube-version %q: %w", o.kubeVersion, err)
	}
	install := action.NewInstall(&action.Configuration{Log: func(string, ...any) {}})
	install.DryRun, install.ClientOnly, install.Replace = true, true, true
	install.ReleaseName, install.Namespace = o.releaseName, namespace
	install.KubeVersion = version
	release, err := install.RunWithContext(ctx, ch, values)
	if err != nil {
		return "", err
	}
	return release.Manifest, nil
}

// rendered are the objects of a chart that matter here.
type rendered struct {
	hooks    []admissionv1.MutatingWebhookConfiguration
	services []corev1.Service
	servers  []appsv1.Deployment
	maps     []corev1.ConfigMap
}

func readRendered(manifest, namespace string) (*rendered, error) {
	r := &rendered{}
	d := yaml.NewYAMLOrJSONDecoder(strings.NewReader(manifest), 4096)
	for {
		var raw struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
		}
		var text yamlText
		if err := d.Decode(&text); errors.Is(err, io.EOF) {
			return r, nil
		} else if err != nil {
			return nil, err
		}
		if err := unmarshal(text, &raw); err != nil {
			return nil, err
		}
		var err error
		switch raw.APIVersion + " " + raw.Kind {
		case "admissionregistration.k8s.io/v1 MutatingWebhookConfiguration":
			r.hooks, err = appendDecoded(r.hooks, text)
		case "v1 Service":
			r.services, err = appendDecoded(r.services, text)
		case "apps/v1 Deployment":
			r.servers, err = appendDecoded(r.servers, text)
		case "v1 ConfigMap":
			r.maps, err = appendDecoded(r.maps, text)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", raw.Kind, err)
		}
	}
}

// yamlText is a document as JSON.
type yamlText []byte

func (t *yamlText) UnmarshalJSON(b []byte) error {
	*t = bytes.Clone(b)
	return nil
}

func unmarshal(text yamlText, into any) error {
	if len(text) == 0 {
		return nil
	}
	return yaml.Unmarshal(text, into)
}

func appendDecoded[T any](all []T, text yamlText) ([]T, error) {
	var v T
	err := unmarshal(text, &v)
	return append(all, v), err
}

func (r *rendered) webhookConfigurations(context.Context) ([]admissionv1.MutatingWebhookConfiguration, error) {
	return r.hooks, nil
}

func (r *rendered) service(_ context.Context, _, name string) (*corev1.Service, error) {
	for i := range r.services {
		if r.services[i].Name == name {
			return &r.services[i], nil
		}
	}
	return nil, fmt.Errorf("service %q is not rendered", name)
}

func (r *rendered) deployments(context.Context, string) ([]appsv1.Deployment, error) {
	return r.servers, nil
}

func (r *rendered) configMap(_ context.Context, _, name string) (*corev1.ConfigMap, error) {
	for i := range r.maps {
		if r.maps[i].Name == name {
			return &r.maps[i], nil
		}
	}
	return nil, fmt.Errorf("ConfigMap %q is not rendered: give its content with --injectConfigFile or --meshConfigFile", name)
}
