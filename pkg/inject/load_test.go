package inject_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render"
)

// load judges a text as an injection configuration.
func load(t *testing.T, text string) (*inject.Snapshot, inject.Findings) {
	t.Helper()
	return inject.Load(t.Context(), sources(text), inject.Options{OnDefect: defect(t)})
}

func sources(text string) config.Sources {
	return config.Sources{Inject: config.Source{Name: "config.yaml", Data: []byte(text)}}
}

// What is wrong with a file and what is wrong with its templates is said at once.
func TestLoadSaysAllErrorsAtOnce(t *testing.T) {
	s, found := load(t, "policy: sometimes\ntemplates:\n  sidecar: '{{ now }}'\n  b: |\n    {{ if }}\nneverInjectSelector: x\n")
	if s != nil || len(found.Errors) != 4 {
		t.Fatalf("snapshot %v, errors %q", s, found.Errors)
	}
	for i, want := range []string{"config.yaml:1:9: policy: ", "config.yaml:6:22: neverInjectSelector: ", `config.yaml:3:16: template "sidecar": `, `config.yaml:5:5: template "b" at {{ if }}: `} {
		if !strings.HasPrefix(found.Errors[i].Error(), want) {
			t.Errorf("error %d is %q, must begin with %q", i, found.Errors[i], want)
		}
	}
}

func TestLoadEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s, found := inject.Load(ctx, sources(sidecar(proxyTemplate)), inject.Options{}); s != nil || !errors.Is(found.Err(), context.Canceled) {
		t.Errorf("snapshot %v, error %v", s, found.Err())
	}
}

// A configuration that was in force before its trial became stricter can still be served.
func TestLoadKeepsWhatCompiles(t *testing.T) {
	s, found := load(t, sidecar("{{ .Spek }}"))
	var mistake *render.Error
	if s == nil || len(found.Errors) != 1 || !errors.As(found.Err(), &mistake) {
		t.Errorf("snapshot %v, errors %q", s, found.Errors)
	}
}

func TestTrialsAreThePodsAsInjected(t *testing.T) {
	for name, s := range lawSnapshots(t) {
		trials := s.Trials(t.Context())
		if len(trials) < 3 {
			t.Fatalf("%s: %d trials", name, len(trials))
		}
		for _, trial := range trials {
			var pod corev1.Pod
			if err := json.Unmarshal(trial.Pod, &pod); err != nil || pod.Annotations["sidecar.istio.io/status"] == "" || len(trial.Templates) == 0 {
				t.Errorf("%s: trial %q of templates %q is %s: %v", name, trial.Name, trial.Templates, trial.Pod, err)
			}
		}
	}
}

// A configuration that has every pod refused is refused itself; one that has some pods
// refused may be meant so.
func TestWhatFailsOnEverySampleIsRefused(t *testing.T) {
	for name, tc := range map[string]struct{ template, want string }{
		"a good one":               {"spec: {}", ""},
		"no such field":            {"spec:\n  serviceAccountName: {{ .Nope.x }}", `template "sidecar" at .Nope.x: can't evaluate field Nope`},
		"wrong for some pods only": {"spec:\n  hostname: x{{ if .Spec.InitContainers }}{{ .Nope }}{{ end }}", ""},
		"a limit of a function":    {`spec: {{ $x := repeat 1000000000 "x" }}`, `could be larger than`},
		"a limit of a format":      {`spec: {{ printf "%99999999d" 1 }}`, `template "sidecar"`},
		"a limit of expressions":   {`spec: {{ if regexMatch "(a?){900}(a?){900}$" (print (repeat 300000 "a") "b") }}x{{ end }}`, `more than 10000 states`},
		"loops without an end":     {`spec: {{ range until 10000 }}{{ range until 10000 }}{{ end }}{{ end }}`, `exceeds the limit on loop rounds`},
		"a define without an end":  {`{{ define "a" }}{{ template "a" }}{{ end }}{{ template "a" }}`, `exceeds the limit on `},
		"too much output":          {`{{ range until 2000 }}{{ repeat 1000 "x" }}{{ end }}`, `exceeds the limit on `},
		"a limit for some pods":    {"spec:\n  hostname: x{{ if .Spec.InitContainers }}{{ until 100000 }}{{ end }}", ""},
		"on purpose":               {`spec: {{ fail "ask for it" }}`, "ask for it"},
		"a list":                   {`- a`, `template "sidecar" renders what is not part of a pod`},
		"no YAML":                  {`a: b: c`, `template "sidecar" renders what is not part of a pod`},
		"a text":                   {`words`, `template "sidecar" renders what is not part of a pod`},
	} {
		t.Run(name, func(t *testing.T) {
			_, found := load(t, sidecar(tc.template))
			err := found.Err()
			if tc.want == "" && err != nil || tc.want != "" && (len(found.Errors) != 1 || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}
