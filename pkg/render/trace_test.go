package render_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render/internal/sample"
)

func trace(t *testing.T, text string, limits render.Limits) *render.Trace {
	t.Helper()
	tmpl, err := render.Current(nil).Compile("sidecar", text, config.FileOrigin("my.yaml"), limits)
	if err != nil {
		t.Fatal(err)
	}
	return tmpl.Trace(context.Background(), new(render.Work), sample.Data())
}

// Every line of the output is followed back to the line of the template that wrote it.
func TestTrace(t *testing.T) {
	text := `spec:
  containers:
  {{- range .Spec.Containers }}
  - name: {{ .Name }}
    labels:
{{ toYaml $.ObjectMeta.Labels | indent 6 }}
  {{- end }}
  {{- template "rest" . }}
{{- define "rest" }}
  volumes: []
  x: {{ .Revision }}
{{- end }}
`
	tr := trace(t, text, render.Limits{})
	want := map[string]string{
		"  containers:":                       "my.yaml:2:3",
		"  - name: istio-proxy":               "my.yaml:4:3",
		"    labels:":                         "my.yaml:5:5",
		"      app.kubernetes.io/version: v1": "my.yaml:6:4 toYaml $.ObjectMeta.Labels | indent 6",
		"  volumes: []":                       "my.yaml:10:3",
		"  x: r":                              "my.yaml:11:3",
	}
	for i, line := range strings.Split(tr.Text, "\n") {
		place, expression := tr.At(i+1, len(line)-len(strings.TrimLeft(line, " "))+1)
		if w := want[line]; w != "" && strings.TrimSpace(fmt.Sprint(place, " ", expression)) != w {
			t.Errorf("%q comes from %s %s, want %s", line, place, expression, w)
		}
		delete(want, line)
	}
	if len(want) > 0 {
		t.Errorf("not in the output: %v\n%s", want, tr.Text)
	}
	if place, expression := tr.At(4, 11); place.String() != "my.yaml:5:5" && expression != "" {
		t.Errorf("a value comes from %s %s", place, expression)
	}
}

func TestTraceOfNoValues(t *testing.T) {
	tr := trace(t, "spec:\n  image: {{ .Values.globl.hub }}/x:{{ .Values.global.tag }}\n{{ range until 3 }}  a: {{ index $.Values \"none\" }}\n{{ end }}  b: {{ .Values.global.hub }}\n", render.Limits{})
	want := []string{
		`my.yaml:2:13: template "sidecar" at .Values.globl.hub: gives <no value>: .Values.globl is not there: did you mean .Values.global?; .Values has global, Reset`,
		`my.yaml:2:39: template "sidecar" at .Values.global.tag: gives <no value>: .Values.global.tag is not there; .Values.global has hub, nothing, port, resources`,
		`my.yaml:3:28: template "sidecar" at index $.Values "none": gives <no value>`,
	}
	got := tr.NoValues()
	if len(got) != len(want) {
		t.Fatalf("got %v", got)
	}
	for i, e := range got {
		if e.Error() != want[i] {
			t.Errorf("got  %s\nwant %s", e, want[i])
		}
		if strings.Contains(e.Public(), "global has") {
			t.Errorf("public: %s", e.Public())
		}
	}
}

func TestTraceKeepsTheLimits(t *testing.T) {
	if tr := trace(t, `{{ range until 100 }}{{ range until 100 }}x{{ end }}{{ end }}`, render.Limits{Steps: 1000}); tr != nil {
		t.Errorf("%d bytes", len(tr.Text))
	}
	if tr := trace(t, `{{ fail "x" }}`, render.Limits{}); tr != nil {
		t.Errorf("of a template that fails: %q", tr.Text)
	}
	if tr := trace(t, "", render.Limits{}); tr == nil || tr.Text != "" {
		t.Errorf("of nothing: %v", tr)
	}
}
