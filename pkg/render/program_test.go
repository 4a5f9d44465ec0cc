package render_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/conformance"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render/internal/sample"
)

// reduced compiles a template for pods that share the constants of d.
func reduced(t testing.TB, l *render.Language, text string, limits render.Limits, d *render.Data) *render.Template {
	t.Helper()
	l.OnDefect = func(template string, err error) { t.Errorf("template %s: a defect: %v", template, err) }
	tmpl, err := l.Compile("sidecar", text, config.Origin{}, limits, render.Constants{d, sample.Constants()}, render.Constants{d, sample.Constants()[1:]})
	if err != nil {
		t.Fatal(err)
	}
	return tmpl
}

// agree tells whether a program, where it gives something, gives what
// text/template does.
func agree(t *testing.T, tmpl *render.Template, data any) (handled bool) {
	t.Helper()
	got, ok := tmpl.ByProgram(data)
	want, err := tmpl.ByTextTemplate(data)
	switch {
	case ok && err != nil:
		t.Errorf("the program gives %q, text/template the error %v", got, err)
	case ok && got != want:
		t.Errorf("the program gives\n%s\ntext/template\n%s", got, want)
	}
	return ok
}

// What fails, and what is not worth a program, is text/template's: the error is
// the same with and without constants.
func TestProgramsLeaveErrorsToTextTemplate(t *testing.T) {
	limits := render.Limits{Output: 1000, Steps: 1000, Depth: 10}
	for _, text := range []string{
		`{{ .None }}`, `{{ .Spec.None }}`, `{{ .Values.global.nothing.x }}`, `{{ .ProxyUID.x }}`, `{{ .Spec.SecurityContext.FSGroup }}`,
		`{{ index .Values.none "a" }}`, `{{ index (list 1) 3 }}`, `{{ index .ObjectMeta.Annotations 1 }}`, `{{ index nil 1 }}`,
		`{{ annotation .Spec "a" "b" }}`, `{{ annotation .ObjectMeta "a" }}`, `{{ quote | trunc }}`, `{{ trunc "a" "b" }}`, `{{ toLower 1 }}`,
		`{{ fail "no" }}`, `{{ if eq .Revision 1 }}{{ end }}`, `{{ lt .Revision 1 }}`, `{{ len 3 }}`, `{{ range 1.5 }}{{ end }}`,
		`{{ repeat 1000000000 "x" }}`, `{{ range until 500 }}abc{{ end }}`, `{{ range until 10000 }}{{ end }}`,
		`{{ define "x" }}{{ template "x" }}{{ end }}{{ template "x" }}`, `{{ template "none" }}`, doublings(),
		`{{ range until 40 }}{{ range until 40 }}{{ end }}{{ end }}`, `{{ nil }}`, `{{ .Revision "a" }}`, `{{ "a" 1 }}`, `{{ 1 | 2 }}`,
		`{{ range until 999 }}{{ end }}`, `{{ range until 1000 }}{{ end }}`, `{{ set .Values "a" 1 }}`, `{{ range 3 }}{{ . }}{{ end }}`,
		`{{ call .Revision }}`, `{{ slice "abc" 1 2 }}`, `{{ 'a' }}{{ 0x10 }}{{ 1e3 }}{{ 1i }}{{ 1_000 }}`, `{{ eq .Spec .Spec }}`,
		`{{ ($x := 1) }}`, `{{ list.a }}`,
	} {
		t.Run(text, func(t *testing.T) {
			d := sample.Data()
			language := render.Current(nil)
			plain, err := language.Compile("sidecar", text, config.Origin{}, limits)
			withConstants, errToo := language.Compile("sidecar", text, config.Origin{}, limits, render.Constants{d, sample.Constants()})
			if message(err) != message(errToo) {
				t.Fatalf("compiling: %v\nwith constants: %v", err, errToo)
			}
			if err != nil {
				return
			}
			agree(t, withConstants, d)
			want, err := plain.Execute(d)
			got, errToo := withConstants.Execute(d)
			if string(got) != string(want) || message(err) != message(errToo) {
				t.Errorf("got %q, %v\nwant %q, %v", got, errToo, want, err)
			}
		})
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestProgramsAreForTheirConstantsOnly(t *testing.T) {
	d := sample.Data()
	tmpl := reduced(t, render.Current(nil), `{{ .Revision }} {{ .Values.global.hub }}`, render.Limits{}, d)
	other := sample.Data() // equal values, but not the same
	other.Revision = "other"
	if _, ok := tmpl.ByProgram(other); ok {
		t.Error("runs for data with other constants")
	}
	if out, err := tmpl.Execute(other); err != nil || string(out) != "other h" {
		t.Errorf("got %q, %v", out, err)
	}
	if _, ok := tmpl.ByProgram(*d); ok {
		t.Error("runs for data that is no pointer")
	}
}

// A template may be small and yet become large when it is written out.
func TestProgramsStaySmall(t *testing.T) {
	now := time.Unix(0, 0)
	for name, tc := range map[string]struct {
		text   string
		limits render.Limits
	}{
		"nodes":             {text: `{{ range until 64 }}{{ range until 64 }}{{ range until 64 }}{{ $.Spec.NodeName }}{{ end }}{{ end }}{{ end }}`},
		"text":              {text: `{{ range until 64 }}{{ if $.NativeSidecars }}` + strings.Repeat("x", 100_000) + `{{ end }}{{ end }}`},
		"constants":         {text: `{{ range until 64 }}{{ annotation $.ObjectMeta "none" (repeat 100000 "x") | trunc 1 }}{{ end }}`},
		"printed constants": {text: `{{ $l := list (repeat 100000 "x") }}{{ range until 64 }}{{ annotation $.ObjectMeta "none" $l | trunc 1 }}{{ end }}`},
		"calls":             {text: doublings()},
		"time": {text: strings.Repeat(`{{ $.Spec.NodeName }}`, 100), limits: render.Limits{Time: time.Second, Now: func() time.Time {
			now = now.Add(time.Second)
			return now
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			d := sample.Data()
			tmpl := reduced(t, render.Current(nil), tc.text, tc.limits, d)
			if tmpl.Programs() != 0 {
				t.Errorf("there are %d programs", tmpl.Programs())
			}
			if want, err := tmpl.ByTextTemplate(d); err == nil {
				if got, err := tmpl.Execute(d); err != nil || string(got) != want {
					t.Errorf("%d bytes, %v; want %d bytes", len(got), err, len(want))
				}
			}
		})
	}
}

// All templates of the reference's configurations are evaluated in part, and give
// for all its pods what they give by text/template.
func TestProgramsOnTheCorpora(t *testing.T) {
	cases := conformance.Cases(t, "admission")
	root := filepath.Join(os.Getenv(conformance.Variable), "istio-current")
	var pods []*corev1.Pod
	for _, c := range cases {
		raw, err := os.ReadFile(filepath.Join(c.Dir, "pod.json"))
		if err != nil {
			t.Fatal(err)
		}
		pod := new(corev1.Pod)
		if err := json.Unmarshal(raw, pod); err != nil {
			t.Fatal(err)
		}
		pods = append(pods, pod)
	}
	templates := map[string]string{}
	for _, file := range globbed(t, root, "configs/*.yaml") {
		var c struct {
			Templates map[string]string `json:"templates"`
		}
		if err := yaml.Unmarshal(file, &c); err != nil {
			t.Fatal(err)
		}
		for name, text := range c.Templates {
			templates[text] = name
		}
	}
	language := render.Current(nil)
	for _, file := range globbed(t, root, "values/*.json") {
		shared := sample.Data()
		shared.Values = nil
		if err := json.Unmarshal(file, &shared.Values); err != nil {
			t.Fatal(err)
		}
		for text, name := range templates {
			tmpl := reduced(t, language, text, render.Limits{}, shared)
			if tmpl.Programs() != 2 {
				t.Errorf("template %s: %d programs", name, tmpl.Programs())
			}
			for _, pod := range pods {
				d := *shared
				d.ObjectMeta, d.Spec = &pod.ObjectMeta, &pod.Spec
				agree(t, tmpl, &d)
				d.ProxyConfig = config.DefaultProxyConfig()
				d.ProxyConfig.ProxyMetadata = map[string]string{"ISTIO_META_ENABLE_HBONE": "true"}
				agree(t, tmpl, &d)
			}
		}
	}
}

func globbed(t *testing.T, root, pattern string) [][]byte {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(root, pattern))
	if err != nil || len(names) == 0 {
		t.Fatalf("%s/%s: %d files, %v", root, pattern, len(names), err)
	}
	var out [][]byte
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, data)
	}
	return out
}

// Whatever the template and the pod: where a program gives something,
// text/template gives the same.
func FuzzProgram(f *testing.F) {
	f.Add(`{{ range $i, $c := .Spec.Containers }}{{ $i }}{{ $c.Name }}{{ end }}`, "note", "v")
	f.Add(`{{ $x := "a" }}{{ if .NativeSidecars }}{{ $x = .Revision }}{{ end }}{{ $x | quote }}`, "none", "")
	f.Add(`{{ define "x" }}{{ . }}{{ end }}{{ with index .ObjectMeta.Annotations "a" }}{{ template "x" . }}{{ end }}`, "a", "0")
	language := render.Current(nil)
	limits := render.Limits{Output: 1 << 14, Steps: 500, Depth: 10, Time: time.Second}
	shared := sample.Data()
	f.Fuzz(func(t *testing.T, text, annotation, value string) {
		tmpl, err := language.Compile("sidecar", text, config.Origin{}, limits, render.Constants{shared, sample.Constants()}, render.Constants{shared, sample.Constants()[1:]})
		if err != nil || strings.Contains(text, "%p") {
			return // addresses differ from one value to the next
		}
		d := *shared
		meta := *d.ObjectMeta
		meta.Annotations = map[string]string{annotation: value, "note": "kept"}
		d.ObjectMeta = &meta
		agree(t, tmpl, &d)
		d.ProxyConfig = config.DefaultProxyConfig()
		agree(t, tmpl, &d)
	})
}

// A program that fails, rather than falls back, does no harm, but is reported.
func TestDefectsAreReported(t *testing.T) {
	var defects []string
	language := render.Current(nil)
	language.OnDefect = func(template string, err error) { defects = append(defects, template+": "+err.Error()) }
	breaking := false
	limits := render.Limits{Now: func() time.Time {
		if breaking {
			breaking = false
			panic("the clock is broken")
		}
		return time.Time{}
	}}
	d := sample.Data()
	tmpl, err := language.Compile("sidecar", `{{ .Revision }}{{ range until 200 }}{{ end }}`, config.Origin{}, limits, render.Constants{Data: d, Fields: sample.Constants()})
	if err != nil || tmpl.Programs() != 1 || len(defects) != 0 {
		t.Fatalf("%v, %d programs, defects %q", err, tmpl.Programs(), defects)
	}
	breakOnce := func() { breaking = true }
	out, err := tmpl.ExecuteAfter(breakOnce, d)
	if err != nil || string(out) != "r" {
		t.Errorf("got %q, %v", out, err)
	}
	if len(defects) != 1 || !strings.HasPrefix(defects[0], "sidecar: the clock is broken") {
		t.Errorf("defects %q", defects)
	}
	// Nobody needs to listen.
	language.OnDefect = nil
	if out, err := tmpl.ExecuteAfter(breakOnce, d); err != nil || string(out) != "r" {
		t.Errorf("got %q, %v", out, err)
	}
}
