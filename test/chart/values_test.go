package chart

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	"sigs.k8s.io/yaml"
)

// Helm's own lint, on the defaults and on each ci file.
func TestLint(t *testing.T) {
	for name, in := range installs(t) {
		if len(in.files) != 1 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			values, err := chartutil.ReadValuesFile(filepath.Join(dir, in.files[0]))
			if err != nil {
				t.Fatal(err)
			}
			result := lint.AllWithKubeVersion(dir, values, defaultNamespace, &chartutil.KubeVersion{Version: "v1.36.0", Major: "1", Minor: "36"})
			for _, m := range result.Messages {
				if m.Severity >= support.WarningSev {
					t.Error(m)
				}
			}
		})
	}
}

// A value that is misspelt, of the wrong type or none of the choices must stop an
// installation, with a message that names it.
func TestSchemaRefuses(t *testing.T) {
	for set, want := range map[string]string{
		"relicaCount=3":                           "relicaCount",
		"replicaCount=two":                        "/replicaCount",
		"certs.mod=self":                          "/certs",
		"certs.mode=selfsigned":                   "/certs/mode",
		"certs.caValidity=1y":                     "/certs/caValidity",
		"webhook.failurePolicy=fail":              "/webhook/failurePolicy",
		"webhook.timeoutSeconds=31":               "/webhook/timeoutSeconds",
		"webhook.port=70000":                      "/webhook/port",
		"webhook.path=/mutate":                    "/webhook/path",
		"policy=on":                               "/policy",
		"configSource=configmap":                  "/configSource",
		"nativeSidecars=maybe":                    "/nativeSidecars",
		"image.digest=latest":                     "/image",
		"image.repository=mine":                   "/image",
		"revision=My_Rev":                         "/revision",
		"probes.type=tcp":                         "/probes/type",
		"templates.sidecar.spec=x":                "/templates/sidecar",
		"neverInjectSelector[0].matchLabel.a=b":   "/neverInjectSelector/0",
		"commonLabels.a=1":                        "/commonLabels/a",
		"defaultTemplates=":                       "/defaultTemplates",
		"podDisruptionBudget.maxUnavailable=half": "/podDisruptionBudget/maxUnavailable",
		"resources.request.cpu=1":                 "/resources",
		"clientAuth.names=kube-apiserver":         "/clientAuth/names",
		"clientAuth.names={a\\,b}":                "/clientAuth/names/0",
		"clientAuth.ca.secret=clients":            "/clientAuth/ca",
	} {
		t.Run(set, func(t *testing.T) {
			_, err := install{set: []string{set}}.texts(t)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want one that names %s", err, want)
			}
		})
	}
}

// What no schema can say fails with a sentence.
func TestRenderingRefuses(t *testing.T) {
	for _, c := range []struct {
		set  []string
		want string
	}{
		{[]string{"certs.mode=existingSecret"}, "certs.existingSecret.name: name the Secret"},
		{[]string{"defaultTemplates={nginx}"}, `defaultTemplates: no template or alias "nginx", there is sidecar`},
		{[]string{"aliases.a={nginx}"}, `aliases.a: no template "nginx", there is sidecar`},
		{[]string{"builtinTemplate.enabled=false"}, "templates: give at least one template"},
		{[]string{"clientAuth.ca.secretName=a"}, "clientAuth.names: empty would let in every certificate of the CAs in a"},
		{[]string{"clientAuth.names={a}"}, "clientAuth.ca: names are given, and no CA"},
		{[]string{"clientAuth.names={a}", "clientAuth.ca.secretName=a", "clientAuth.ca.configMapName=a"}, "clientAuth.ca: secretName a and configMapName a are both set"},
		{[]string{"validate.enabled=true", "meshConfig.create=false"}, "validate.enabled: needs injectConfig.create and meshConfig.create"},
		{[]string{"certs.renewBefore=361h"}, "certs.renewBefore: 361h is more than half of certs.certValidity, 720h"},
		{[]string{"certs.caRenewBefore=100h1m", "certs.caValidity=200h"}, "certs.caRenewBefore: 100h1m is more than half of certs.caValidity, 200h"},
		{[]string{"certs.mode=certManager", "certs.bootstrap=job"}, "certs.bootstrap: job has no meaning with certs.mode certManager"},
		{[]string{"certs.mode=certManager", "certs.certManager.issuerRef.kind=ClusterIssuer"}, "certs.certManager.issuerRef.name: is not set"},
		{[]string{"webhook.port=15014"}, "webhook.port, metrics.port: both are 15014"},
		{[]string{"hostNetwork=true"}, "webhook.port: 10250 is taken on every node by the kubelet"},
		{[]string{"hostNetwork=true", "webhook.port=9443", "metrics.port=10256"}, "metrics.port: 10256 is taken on every node by a part of Kubernetes"},
		{[]string{"rollingMaxSurge=0%"}, "rollingMaxSurge, rollingMaxUnavailable: both are 0"},
		{[]string{"podDisruptionBudget.minAvailable=2"}, "podDisruptionBudget.minAvailable: 2 of 2 pods leaves none"},
		{[]string{"podDisruptionBudget.minAvailable=100%"}, "podDisruptionBudget.minAvailable: 100% of 2 pods leaves none"},
		{[]string{"podDisruptionBudget.minAvailable=1", "replicaCount=1"}, "podDisruptionBudget.minAvailable: 1 of 1 pod leaves none"},
		{[]string{"podDisruptionBudget.minAvailable=2", "replicaCount=5", "autoscaling.enabled=true"}, "podDisruptionBudget.minAvailable: 2 of 2 pods leaves none"},
		{[]string{"autoscaling.enabled=true", "autoscaling.minReplicas=6"}, "autoscaling.minReplicas: 6 is more than autoscaling.maxReplicas, 5"},
		{[]string{"autoscaling.enabled=true", "autoscaling.targetCPUUtilizationPercentage=0"}, "autoscaling: nothing says when to scale"},
		{[]string{"enableNamespacesByDefault=true", "webhook.excludedNamespaces={kube-public}"}, "webhook.excludedNamespaces: without kube-system"},
		{[]string{"metrics.serviceMonitor.enabled=true", "metrics.podMonitor.enabled=true"}, "both would scrape every pod twice"},
	} {
		_, err := install{set: c.set}.texts(t)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: error %v, want %q", c.set, err, c.want)
		}
	}
}

// Several mistakes are said at once.
func TestRenderingSaysAllMistakes(t *testing.T) {
	_, err := install{set: []string{"webhook.port=15014", "rollingMaxSurge=0"}}.texts(t)
	for _, want := range []string{"webhook.port, metrics.port:", "rollingMaxSurge, rollingMaxUnavailable:"} {
		if err == nil || !strings.Contains(err.Error(), "\n"+want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// A tag that a values file has as a number has lost what its author wrote.
func TestNumericTags(t *testing.T) {
	for _, c := range []struct {
		field  string
		number float64
		refuse bool
	}{{"global", 1.1, true}, {"image", 1.1, true}, {"global", 15, false}} {
		chart := loadChart(t)
		values := map[string]any{c.field: map[string]any{"tag": c.number}}
		all, err := chartutil.ToRenderValues(chart, values, chartutil.ReleaseOptions{Name: classicRelease, Namespace: defaultNamespace}, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = engine.Render(chart, all)
		if want := c.field + ".tag: 1.1 is a number"; c.refuse != (err != nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s.tag %v: error %v", c.field, c.number, err)
		}
	}
}

// An alias in a parent chart is the chart's name.
func TestAliasWithCapitals(t *testing.T) {
	for override, refuse := range map[string]bool{"": true, "istio-sidecar-injector": false} {
		chart := loadChart(t)
		chart.Metadata.Name = "sidecarInjectorWebhook"
		all, err := chartutil.ToRenderValues(chart, map[string]any{"fullnameOverride": override}, chartutil.ReleaseOptions{Name: "mesh", Namespace: defaultNamespace}, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = engine.Render(chart, all)
		if refuse != (err != nil) || err != nil && !strings.Contains(err.Error(), `"sidecarInjectorWebhook" cannot be part of an object's name`) {
			t.Errorf("fullnameOverride %q: error %v", override, err)
		}
	}
}

// An image in one string may be a bare name or a whole reference.
func TestImageReferences(t *testing.T) {
	const digest = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
	for image, want := range map[string]string{
		"mine":                     "ghcr.io/sidecar-injector/mine:0.1.0",
		"mine:2":                   "ghcr.io/sidecar-injector/mine:2",
		"foo/bar":                  "foo/bar:0.1.0",
		"foo/bar:1":                "foo/bar:1",
		"localhost:5000/foo/bar":   "localhost:5000/foo/bar:0.1.0",
		"localhost:5000/foo/bar:1": "localhost:5000/foo/bar:1",
		"foo/bar@" + digest:        "foo/bar@" + digest,
		"foo/bar:1@" + digest:      "foo/bar@" + digest,
	} {
		in := install{set: []string{"image=" + image}}
		texts, err := in.texts(t)
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, text := range texts {
			found = found || strings.Contains(text, `image: "`+want+`"`)
		}
		if !found {
			t.Errorf("image %s: no container of image %s", image, want)
		}
	}
}

// A value set to null is one left out; where there must be one, a sentence says so.
func TestNullIsUnderstood(t *testing.T) {
	paths := map[string]bool{}
	for _, path := range leaves("", defaults(t)) {
		for ; path != "."; path = parent(path) {
			paths[path] = true
		}
	}
	for path := range paths {
		_, err := install{set: []string{path + "=null"}}.texts(t)
		if err == nil {
			continue
		}
		for _, unclear := range []string{"nil pointer", "runtime error", "error calling", "wrong type", "can't evaluate", "interface {}", "incompatible types"} {
			if strings.Contains(err.Error(), unclear) {
				t.Errorf("%s=null: %v", path, err)
				break
			}
		}
	}
}

func parent(path string) string {
	i := strings.LastIndexByte(path, '.')
	if i < 0 {
		return "."
	}
	return path[:i]
}

// Values as users write them, whose YAML type is not the obvious one.
func TestSchemaAccepts(t *testing.T) {
	for _, set := range []string{
		"image=sidecar_injector", "image.tag=1.2", "global.tag=1.27", "nativeSidecars=on", "nativeSidecars=true", "rollingMaxSurge=25%",
		"podDisruptionBudget.minAvailable=1", "terminationGracePeriodSeconds=90", "enabled=true", "global.anything.of.a.parent=1",
		"meshConfig.accessLogFile=/dev/stdout", "imagePullSecrets={a}", "imagePullSecrets[0].name=a", "certs.renewBefore=240h30m",
	} {
		if _, err := (install{set: []string{set}}).texts(t); err != nil {
			t.Errorf("%s: %v", set, err)
		}
	}
}

// value is one line of values.yaml with the comment above it.
type value struct{ path, comment string }

var (
	commentLine = regexp.MustCompile(`^\s*# -- (.*)$`)
	otherLine   = regexp.MustCompile(`^\s*(#.*)?$`)
	keyLine     = regexp.MustCompile(`^(\s*)([A-Za-z_]\w*):`)
)

// documented reads values.yaml as helm-docs does.
func documented(t *testing.T) []value {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var out []value
	type level struct {
		indent int
		key    string
	}
	var at []level
	comment := ""
	for _, line := range strings.Split(string(data), "\n") {
		if m := commentLine.FindStringSubmatch(line); m != nil {
			comment = m[1]
			continue
		}
		m := keyLine.FindStringSubmatch(line)
		if otherLine.MatchString(line) || m == nil {
			continue
		}
		for len(at) > 0 && at[len(at)-1].indent >= len(m[1]) {
			at = at[:len(at)-1]
		}
		at = append(at, level{len(m[1]), m[2]})
		var path []string
		for _, l := range at {
			path = append(path, l.key)
		}
		out = append(out, value{strings.Join(path, "."), comment})
		comment = ""
	}
	return out
}

func TestEveryValueIsDocumented(t *testing.T) {
	values := documented(t)
	described := func(path string) bool {
		return slices.ContainsFunc(values, func(v value) bool {
			return v.comment != "" && (path == v.path || strings.HasPrefix(path, v.path+"."))
		})
	}
	readme, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range leaves("", defaults(t)) {
		if !described(path) {
			t.Errorf("%s: no comment `# -- ...` in values.yaml, on it or on what it is part of", path)
		}
	}
	for _, v := range values {
		if v.comment == "" {
			continue
		}
		row := regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(v.path) + ` \| .* \| ` + regexp.QuoteMeta(v.comment) + ` \|$`)
		if !row.Match(readme) {
			t.Errorf("%s: README.md does not say what values.yaml says; run helm-docs --sort-values-order file", v.path)
		}
	}
}

func defaults(t *testing.T) map[string]any {
	t.Helper()
	return loadChart(t).Values
}

func leaves(path string, v any) []string {
	m, ok := v.(map[string]any)
	if !ok || len(m) == 0 {
		return []string{path}
	}
	var out []string
	for key, v := range m {
		out = append(out, leaves(strings.TrimPrefix(path+"."+key, "."), v)...)
	}
	slices.Sort(out)
	return out
}

// The schema knows every value and describes it as values.yaml does.
func TestSchemaKnowsEveryValue(t *testing.T) {
	path := filepath.Join(dir, "values.schema.json")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	for _, v := range documented(t) {
		node, err := descend(schema, strings.Split(v.path, "."))
		if err != nil {
			if v.comment != "" {
				t.Errorf("%s: %v", v.path, err)
			}
			continue
		}
		if was, _ := node["description"].(string); v.comment != "" && was != v.comment {
			t.Errorf("%s: described as %q in the schema, %q in values.yaml", v.path, was, v.comment)
		}
	}
}

func descend(schema map[string]any, path []string) (map[string]any, error) {
	for i, key := range path {
		properties, ok := schema["properties"].(map[string]any)
		if !ok {
			choices, _ := schema["oneOf"].([]any)
			for _, c := range choices {
				if p, has := c.(map[string]any)["properties"].(map[string]any); has {
					properties, ok = p, true
				}
			}
		}
		next, has := properties[key].(map[string]any)
		if !ok || !has {
			return nil, fmt.Errorf("not in values.schema.json, %s is not there", strings.Join(path[:i+1], "."))
		}
		schema = next
	}
	return schema, nil
}

// The other way round: the schema knows nothing that values.yaml has not.
func TestSchemaKnowsNothingElse(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(dir, "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := yaml.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	values := defaults(t)
	for key := range schema["properties"].(map[string]any) {
		if _, ok := values[key]; !ok {
			t.Errorf("%s is in values.schema.json and not in values.yaml", key)
		}
	}
}
