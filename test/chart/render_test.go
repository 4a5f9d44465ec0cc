// Package chart tests the Helm chart: what it renders, with Helm's own library,
// against Kubernetes' own types, evaluators and rules.
package chart

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/strvals"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "rewrite golden files and generated texts")

const (
	dir              = "../../charts/istio-sidecar-injector"
	classicRelease   = "istio-sidecar-injector"
	defaultNamespace = "istio-system"
)

// install says how a chart is rendered: what a user gives on Helm's command line.
type install struct {
	release, namespace string
	revision           int      // of the release; 0 means 1
	files              []string // values files, relative to the chart
	set                []string // --set
	setString          map[string]string
	setJSON            []string // --set-json
}

// object is one rendered object and the text it came from.
type object struct {
	unstructured.Unstructured
	template string
	text     []byte
}

func (o *object) id() string {
	return strings.Join([]string{o.GetKind(), o.GetNamespace(), o.GetName()}, "/")
}

func loadChart(t testing.TB) *chart.Chart {
	t.Helper()
	c, err := loader.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// texts renders every template of the chart, by the template's path.
func (in install) texts(t testing.TB) (map[string]string, error) {
	t.Helper()
	c := loadChart(t)
	values := map[string]any{}
	for _, name := range in.files {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		one := map[string]any{}
		if err := yaml.UnmarshalStrict(data, &one); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		values = chartutil.CoalesceTables(one, values)
	}
	for _, s := range in.set {
		if err := strvals.ParseInto(s, values); err != nil {
			t.Fatalf("--set %s: %v", s, err)
		}
	}
	for _, s := range in.setJSON {
		if err := strvals.ParseJSON(s, values); err != nil {
			t.Fatalf("--set-json %s: %v", s, err)
		}
	}
	for path, text := range in.setString {
		setPath(values, strings.Split(path, "."), text)
	}
	options := chartutil.ReleaseOptions{Name: in.release, Namespace: in.namespace, Revision: max(in.revision, 1), IsInstall: true}
	if options.Name == "" {
		options.Name = classicRelease
	}
	if options.Namespace == "" {
		options.Namespace = defaultNamespace
	}
	capabilities := chartutil.DefaultCapabilities.Copy()
	capabilities.KubeVersion = chartutil.KubeVersion{Version: "v1.36.0", Major: "1", Minor: "36"}
	all, err := chartutil.ToRenderValues(c, values, options, capabilities)
	if err != nil {
		return nil, err
	}
	return engine.Render(c, all)
}

func setPath(values map[string]any, path []string, value any) {
	for _, key := range path[:len(path)-1] {
		next, ok := values[key].(map[string]any)
		if !ok {
			next = map[string]any{}
			values[key] = next
		}
		values = next
	}
	values[path[len(path)-1]] = value
}

var documents = regexp.MustCompile(`(?m)^---\s*$`)

// render returns the objects of an installation, in the order of their templates.
func (in install) render(t testing.TB) []*object {
	t.Helper()
	texts, err := in.texts(t)
	if err != nil {
		t.Fatal(err)
	}
	var out []*object
	for _, template := range slices.Sorted(maps.Keys(texts)) {
		if strings.HasSuffix(template, "NOTES.txt") {
			continue
		}
		for _, text := range documents.Split(texts[template], -1) {
			o := &object{template: filepath.Base(template), text: []byte(text)}
			if err := yaml.UnmarshalStrict(o.text, &o.Object); err != nil {
				t.Fatalf("%s: %v\n%s", template, err, text)
			}
			if len(o.Object) > 0 {
				out = append(out, o)
			}
		}
	}
	return out
}

// one returns the only object of a kind with a name; an empty name takes any.
func one(t testing.TB, objects []*object, kind, name string) *object {
	t.Helper()
	var found []*object
	for _, o := range objects {
		if o.GetKind() == kind && (name == "" || o.GetName() == name) {
			found = append(found, o)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d objects %s %q, want 1", len(found), kind, name)
	}
	return found[0]
}

// into decodes an object strictly into its Go type.
func into[T any](t testing.TB, o *object) *T {
	t.Helper()
	out := new(T)
	if err := yaml.UnmarshalStrict(o.text, out); err != nil {
		t.Fatalf("%s: %v", o.id(), err)
	}
	return out
}

// installs are the installations that every rule of the chart is tested on: the
// defaults, each ci file, each example, and combinations that no file covers.
func installs(t testing.TB) map[string]install {
	t.Helper()
	all := map[string]install{
		"other release":      {release: "my.release", namespace: "other"},
		"long release":       {release: "a-release-with-a-name-as-long-as-helm-lets-it-become", namespace: "other"},
		"openshift":          {set: []string{"global.platform=openshift"}},
		"nothing of its own": {set: []string{"serviceAccount.create=false", "serviceAccount.name=mine", "rbac.create=false", "injectConfig.create=false", "meshConfig.create=false"}},
		"files and job":      {set: []string{"configSource=files", "certs.bootstrap=job", "nativeSidecars=off"}},
		"revision and job":   {set: []string{"revision=blue", "certs.bootstrap=job", "validate.enabled=true", "check.enabled=true"}},
		// No ci file: chart-testing would install it, and its API server presents nothing.
		"callers by Secret":    {set: []string{"clientAuth.ca.secretName=clients", "clientAuth.ca.key=tls.crt", "clientAuth.names={kube-apiserver,other}"}},
		"callers by ConfigMap": {set: []string{"clientAuth.ca.configMapName=clients", "clientAuth.names={kube-apiserver}"}},
		"cert-manager issuer":  {set: []string{"certs.mode=certManager", "certs.certManager.issuerRef.name=company", "certs.certManager.issuerRef.kind=ClusterIssuer"}},
	}
	for _, pattern := range []string{"ci/*-values.yaml", "examples/*.yaml"} {
		paths, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(paths), err)
		}
		for _, path := range paths {
			name, err := filepath.Rel(dir, path)
			if err != nil {
				t.Fatal(err)
			}
			all[name] = install{files: []string{name}}
		}
	}
	return all
}

// rendered holds the objects of installs, which no test changes.
var rendered sync.Map

// eachInstall runs a test on all installations.
func eachInstall(t *testing.T, test func(t *testing.T, in install, objects []*object)) {
	t.Helper()
	all := installs(t)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t.Run(name, func(t *testing.T) {
			objects, ok := rendered.Load(name)
			if !ok {
				objects, _ = rendered.LoadOrStore(name, all[name].render(t))
			}
			test(t, all[name], objects.([]*object))
		})
	}
}

// golden compares text with a file, which -update writes.
func golden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; write it with -update", err)
	}
	if text != string(want) {
		t.Errorf("%s differs in line %s; look at the change and accept it with -update", path, firstDifference(text, string(want)))
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("%d: got %q, want %q", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d: one ends", min(len(g), len(w))+1)
}
