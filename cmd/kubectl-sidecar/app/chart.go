package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	helmvalues "helm.sh/helm/v3/pkg/cli/values"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// fromChart renders a chart as `helm template` would and looks in the result for
// what an installed injector would read.
func (o *options) fromChart(ctx context.Context, namespace string) (*configuration, error) {
	if namespace == "" {
		namespace = "istio-system"
	}
	manifest, err := o.render(ctx, namespace)
	if err != nil {
		return nil, fmt.Errorf("chart %s: %w", o.chart, err)
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
	// What the chart lacks may be given beside it.
	if c.sources.Inject.Name == "" && o.injectConfigFile == "" || c.sources.Mesh.Name == "" && o.meshConfigFile == "" {
		return nil, fmt.Errorf("chart %s: %w", o.chart, err)
	}
	return c, nil
}

func (o *options) render(ctx context.Context, namespace string) (string, error) {
	ch, err := loader.Load(o.chart)
	if err != nil {
		return "", err
	}
	// No providers: values files are files, whatever their names look like.
	values := helmvalues.Options{
		ValueFiles: o.values, Values: o.set, StringValues: o.setString, FileValues: o.setFile, JSONValues: o.setJSON,
	}
	merged, err := values.MergeValues(nil)
	if err != nil {
		return "", err
	}
	version, err := chartutil.ParseKubeVersion(o.kubeVersion)
	if err != nil {
		return "", fmt.Errorf("invalid --kube-version %q: %w", o.kubeVersion, err)
	}
	install := action.NewInstall(&action.Configuration{Log: func(string, ...any) {}})
	install.DryRun, install.ClientOnly, install.Replace = true, true, true
	install.ReleaseName, install.Namespace = o.releaseName, namespace
	install.KubeVersion = version
	release, err := install.RunWithContext(ctx, ch, merged)
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
