package app

import (
	"context"
	"errors"
	"fmt"
	"os"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/bounded"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

// configuration is what an injector works with, wherever it was found.
type configuration struct {
	// origin says where, for people.
	origin  string
	sources config.Sources
	settings
	// webhooks that call the injector; nil when nothing is known of them.
	webhooks []admissionv1.MutatingWebhook
	// cluster answers questions about the cluster; nil without one.
	cluster *cluster
	// image is the server's; empty when not known.
	image string
	// server is the injector's deployment; nil for files.
	server *appsv1.Deployment
}

// settings are what the server is told on its command line.
type settings struct {
	revision, nativeSidecars, platform, compliancePolicy string
	// certSecret is namespace/name of the Secret with the certificates; empty
	// where there is none.
	certSecret string
	// lastGoodConfigMap is namespace/name of the record of the last good configuration;
	// empty where there is none.
	lastGoodConfigMap string
}

// load finds the configuration. Files that are given go before what a chart or
// the cluster has.
func (p *program) load(ctx context.Context, o *options) (*configuration, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	c := &configuration{origin: "files"}
	var err error
	switch {
	case o.fromFiles():
	case o.chart != "":
		c, err = o.fromChart(ctx, p.namespace())
	default:
		if c, err = p.fromCluster(ctx, o); err != nil {
			err = fmt.Errorf("configuration from the cluster: %w (or give files with --injectConfigFile and --meshConfigFile, or a chart with --chart)", err)
		}
	}
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, f := range []struct {
		flag, path string
		source     *config.Source
	}{
		{"injectConfigFile", o.injectConfigFile, &c.sources.Inject}, {"meshConfigFile", o.meshConfigFile, &c.sources.Mesh}, {"valuesFile", o.valuesFile, &c.sources.Values},
	} {
		if f.path == "" {
			continue
		}
		data, err := readInput(f.path)
		if err != nil {
			errs = append(errs, fmt.Errorf("--%s: %w", f.flag, err))
		}
		*f.source = config.Source{Name: f.path, Data: data}
	}
	if o.valuesFile == "" && c.sources.Values.Name == "" {
		c.sources.Values.Name = "(no values)"
	}
	c.override(o)
	return c, errors.Join(errs...)
}

// readInput reads a file, or a pipe: a shell's <(command) is one.
func readInput(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return bounded.Read(f, path, bounded.MaxConfigFile)
}

// override puts the flags that were given over what was found.
func (c *configuration) override(o *options) {
	for _, s := range []struct {
		flag, value string
		setting     *string
	}{
		{"revision", o.revision, &c.revision},
		{"nativeSidecars", o.nativeSidecars, &c.nativeSidecars},
		{"platform", o.platform, &c.platform},
		{"compliancePolicy", o.compliancePolicy, &c.compliancePolicy},
	} {
		if o.given.Changed(s.flag) {
			*s.setting = s.value
		}
	}
}

// load judges the configuration as a server does.
func (c *configuration) load(ctx context.Context) (*inject.Snapshot, inject.Findings) {
	return inject.Load(ctx, c.sources, inject.Options{
		Revision:         c.revision,
		Platform:         c.platform,
		CompliancePolicy: c.compliancePolicy,
		Cluster:          &answers{mode: c.nativeSidecars, cluster: c.cluster},
	})
}

// snapshot finds the configuration and makes it into what injects.
func (p *program) snapshot(ctx context.Context, o *options) (*inject.Snapshot, *configuration, error) {
	c, err := p.load(ctx, o)
	if err != nil {
		return nil, nil, err
	}
	s, found := c.load(ctx)
	for _, warning := range found.Warnings {
		p.warn("%s", warning)
	}
	if err := found.Err(); err != nil {
		return nil, nil, err
	}
	return s, c, nil
}

// answers are what the engine may ask about the cluster.
type answers struct {
	mode    string // of native sidecars
	cluster *cluster
}

func (a *answers) NativeSidecars(node string) bool {
	switch a.mode {
	case "on":
		return true
	case "off":
		return false
	}
	return a.cluster != nil && a.cluster.nativeSidecars(node)
}

func (a *answers) Namespace(name string) (labels, annotations map[string]string, ok bool) {
	if a.cluster == nil {
		return nil, nil, false
	}
	ns, ok := a.cluster.namespaces[name]
	return ns.Labels, ns.Annotations, ok
}
