package inject_test

import (
	"strings"
	"testing"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

// What a template renders that is not part of a pod: the place in the template that
// rendered it, and the rendered lines around it.
func TestMistakesInWhatIsRendered(t *testing.T) {
	for name, tc := range map[string]struct{ config, want, public string }{
		"no YAML": {
			sidecar("spec:\n  containers:\n  - name: {{ printf \"a: %s\" .ObjectMeta.Name }}\n    image: x\n"),
			`config.yaml:6:18: template "sidecar" at printf "a: %s" .ObjectMeta.Name renders what is not part of a pod: is not valid YAML: mapping values are not allowed in this context: a value that holds ": " must be in quotes, and a key must be indented like those beside it; rendered line 3:
    1 | spec:
    2 |   containers:
  > 3 |   - name: a: plain
    4 |     image: x`,
			`config.yaml:6:18: template "sidecar" renders what is not part of a pod`,
		},
		"a field of another type": {
			sidecar("metadata: {}\n{{- if true }}\nspec:\n  containers:\n  - name: a\n    image: [x]\n{{- end }}\n"),
			`config.yaml:9:9: template "sidecar" renders what is not part of a pod: spec.containers[a].image: is a list, must be text; rendered line 5:
    2 | spec:
    3 |   containers:
    4 |   - name: a
  > 5 |     image: [x]`,
			`config.yaml:9:9: template "sidecar" renders what is not part of a pod`,
		},
		"a directive": {
			sidecar("spec:\n  containers:\n  - name: a\n    $patch: remove\n"),
			`config.yaml:7:17: template "sidecar" renders what is not part of a pod: spec.containers[a].$patch: is "remove", must be "replace" or "delete" in a list; rendered line 4:`,
			"",
		},
		"the classic dialect": {
			"policy: enabled\ntemplate: |\n  containers:\n  - name: a\n    env: {A: b}\n",
			`config.yaml:3:3: template "template" renders what is not part of a pod: containers.env: is an object, must be a list; rendered line 1:`,
			"",
		},
		"the classic dialect, no YAML": {
			"policy: enabled\ntemplate: |\n  containers:\n  - name: a\n   image: b\n",
			`config.yaml:5:4: template "template" renders what is not part of a pod: is not valid YAML: did not find expected`,
			"",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, found := load(t, tc.config)
			if len(found.Errors) != 1 {
				t.Fatalf("errors %q", found.Errors)
			}
			err := found.Errors[0]
			if got := err.Error(); !strings.Contains(got, tc.want) {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
			if got := err.(interface{ Public() string }).Public(); !strings.Contains(got, tc.public) || strings.Contains(got, "rendered line") || strings.Contains(got, "a: plain") {
				t.Errorf("public %s", got)
			}
		})
	}
}

// A pod's author, who has not got the configuration, is told neither rendered lines nor
// keys.
func TestRefusalsShowNothingRendered(t *testing.T) {
	s := of(t, sidecar("spec:\n  containers:\n  - name: a\n    image: [secret]\n"), "", "", inject.Options{})
	res := s.Inject(t.Context(), inject.Request{Namespace: "ns", Object: []byte(`{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p"},"spec":{"containers":[{"name":"app"}]}}`)})
	if res.Err == nil || strings.Contains(res.Err.Error(), "secret") || !strings.Contains(res.Err.Error(), `template "sidecar" renders what is not part of a pod: spec.containers[a].image: is a list, must be text`) {
		t.Errorf("got %v", res.Err)
	}
}
