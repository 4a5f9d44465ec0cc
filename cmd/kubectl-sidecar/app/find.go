package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
)

// objects is where the parts of an installed injector are looked up: a cluster,
// or what a chart renders.
type objects interface {
	webhookConfigurations(context.Context) ([]admissionv1.MutatingWebhookConfiguration, error)
	service(ctx context.Context, namespace, name string) (*corev1.Service, error)
	deployments(ctx context.Context, namespace string) ([]appsv1.Deployment, error)
	configMap(ctx context.Context, namespace, name string) (*corev1.ConfigMap, error)
}

const (
	entryName     = "sidecar-injector.istio.io" // and names that end in it
	revisionLabel = "istio.io/rev"
)

// find follows the threads of an installation: from the webhook configuration to
// the service, to the deployment behind it, to the ConfigMaps that it mounts. A
// mesh configuration that is not there is left empty when it is given otherwise.
func find(ctx context.Context, in objects, revision string) (*configuration, error) {
	all, err := in.webhookConfigurations(ctx)
	if err != nil {
		return nil, err
	}
	w, entries, err := pick(all, revision)
	if err != nil {
		return nil, err
	}
	target := entries[0].ClientConfig.Service
	service, err := in.service(ctx, target.Namespace, target.Name)
	if err != nil {
		return nil, fmt.Errorf("service of webhook configuration %q: %w", w.Name, err)
	}
	server, err := serverOf(ctx, in, service)
	if err != nil {
		return nil, err
	}
	c := &configuration{webhooks: entries, server: server, origin: fmt.Sprintf("deployment %s/%s", server.Namespace, server.Name)}
	for _, container := range server.Spec.Template.Spec.Containers {
		c.settings.read(container.Args)
		if c.image == "" || slices.ContainsFunc(container.Args, func(a string) bool { return strings.HasPrefix(a, "--injectConfig") }) {
			c.image = container.Image
		}
	}
	c.revision = cmp.Or(c.revision, w.Labels[revisionLabel])
	return c, c.readConfigMaps(ctx, in, server)
}

// pick chooses the injector's webhook configuration, and its entries in it.
func pick(all []admissionv1.MutatingWebhookConfiguration, revision string) (admissionv1.MutatingWebhookConfiguration, []admissionv1.MutatingWebhook, error) {
	found := map[string]admissionv1.MutatingWebhookConfiguration{}
	var revisions []string
	for _, w := range all {
		if len(entriesOf(w)) == 0 {
			continue
		}
		r := cmp.Or(w.Labels[revisionLabel], "default")
		if _, ok := found[r]; !ok {
			revisions = append(revisions, r)
			found[r] = w
		}
	}
	slices.Sort(revisions)
	want := cmp.Or(revision, "default")
	if revision == "" && len(revisions) == 1 {
		want = revisions[0]
	}
	w, ok := found[want]
	switch {
	case len(found) == 0:
		return w, nil, fmt.Errorf("no webhook configuration has an entry %s: the injector is not installed", entryName)
	case !ok:
		return w, nil, fmt.Errorf("no injector of revision %q is installed, there is %s: choose with --revision", want, strings.Join(revisions, ", "))
	}
	return w, entriesOf(w), nil
}

func entriesOf(w admissionv1.MutatingWebhookConfiguration) []admissionv1.MutatingWebhook {
	return slices.DeleteFunc(slices.Clone(w.Webhooks), func(e admissionv1.MutatingWebhook) bool {
		ours := e.Name == entryName || strings.HasSuffix(e.Name, "."+entryName)
		return !ours || e.ClientConfig.Service == nil
	})
}

func serverOf(ctx context.Context, in objects, service *corev1.Service) (*appsv1.Deployment, error) {
	all, err := in.deployments(ctx, service.Namespace)
	if err != nil {
		return nil, err
	}
	selector := labels.SelectorFromSet(service.Spec.Selector)
	for i := range all {
		if !selector.Empty() && selector.Matches(labels.Set(all[i].Spec.Template.Labels)) {
			return &all[i], nil
		}
	}
	return nil, fmt.Errorf("no deployment is behind service %s/%s", service.Namespace, service.Name)
}

// read takes the settings from the server's arguments.
func (s *settings) read(args []string) {
	for name, setting := range map[string]*string{
		"--revision": &s.revision, "--nativeSidecars": &s.nativeSidecars,
		"--platform": &s.platform, "--compliancePolicy": &s.compliancePolicy,
		"--certSecret": &s.certSecret, "--lastGoodConfigMap": &s.lastGoodConfigMap,
	} {
		for i, arg := range args {
			if value, ok := strings.CutPrefix(arg, name+"="); ok {
				*setting = value
			} else if arg == name && i+1 < len(args) {
				*setting = args[i+1]
			}
		}
	}
}

// readConfigMaps reads what the server mounts. Which ConfigMap is which, its keys
// tell.
func (c *configuration) readConfigMaps(ctx context.Context, in objects, server *appsv1.Deployment) error {
	var errs []error
	for _, v := range server.Spec.Template.Spec.Volumes {
		if v.ConfigMap == nil {
			continue
		}
		m, err := in.configMap(ctx, server.Namespace, v.ConfigMap.Name)
		if err != nil {
			if v.ConfigMap.Optional == nil || !*v.ConfigMap.Optional {
				errs = append(errs, err)
			}
			continue
		}
		source := func(key string) config.Source {
			return config.Source{Name: m.Namespace + "/" + m.Name + ":" + key, Data: []byte(m.Data[key])}
		}
		if _, ok := m.Data["config"]; ok {
			c.sources.Inject = source("config")
			if _, ok := m.Data["values"]; ok {
				c.sources.Values = source("values")
			}
		}
		if _, ok := m.Data["mesh"]; ok {
			c.sources.Mesh = source("mesh")
		}
	}
	if c.sources.Inject.Name == "" {
		errs = append(errs, fmt.Errorf("deployment %s/%s mounts no ConfigMap with the key config: give --injectConfigFile", server.Namespace, server.Name))
	}
	if c.sources.Mesh.Name == "" {
		errs = append(errs, fmt.Errorf("deployment %s/%s mounts no ConfigMap with the key mesh: give --meshConfigFile", server.Namespace, server.Name))
	}
	return errors.Join(errs...)
}
