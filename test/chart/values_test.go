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
		{[]string{"validate.enabled=true", "meshConfig.create=false"}, "validate.enabled: needs injectConfig.create and meshConfig.create"},
	} {
		_, err := install{set: c.set}.texts(t)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: error %v, want %q", c.set, err, c.want)
		}
	}
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
