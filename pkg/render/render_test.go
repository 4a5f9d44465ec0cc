package render_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render/internal/sample"
)

func compile(t testing.TB, l *render.Language, text string, limits render.Limits) *render.Template {
	t.Helper()
	tmpl, err := l.Compile("sidecar", text, config.Origin{}, limits)
	if err != nil {
		t.Fatal(err)
	}
	return tmpl
}

func TestErrorsNameThePlace(t *testing.T) {
	origin := config.FileOrigin("my.yaml")
	for name, tc := range map[string]struct{ text, want, public string }{
		"removed function":     {"a\n{{ now }}", `my.yaml:2:4: template "odd:name": function "now" not defined: templates have no clock, randomness, keys, network or environment, so that one pod gives the same result always`, ""},
		"unknown function":     {"a\n  {{ .x | toYamll }}", `my.yaml:2:11: template "odd:name": function "toYamll" not defined: did you mean toYaml?; known functions are toYaml`, ""},
		"a word in a string":   {"{{ print \"nope\" }}{{ nope }}", `my.yaml:1:22: template "odd:name": function "nope" not defined; docs/templates.md has the functions that there are`, ""},
		"syntax":               {"a\nb\n é {{ if }}", `my.yaml:3:4: template "odd:name" at {{ if }}: missing value for if`, "my.yaml:3:4: template \"odd:name\": cannot be parsed"},
		"no end":               {"{{ if .x }}\n {{ with .y }}{{ end }}\n {{ range .z }}{{ end }}\n", `my.yaml:1:1: template "odd:name": the {{ if }} that begins here has no {{ end }}`, "has a block without an end"},
		"no end of the inner":  {"{{ if .x }}\n {{- range .y }}\n{{ end }}", `my.yaml:1:1: template "odd:name": the {{ if }} that begins here`, ""},
		"an end too many":      {"a\n{{ end }}\n", `my.yaml:2:1: template "odd:name" at {{ end }}: unexpected {{end}}`, ""},
		"not closed":           {"a: {{ .x }}\nb: {{ .y\nc: d\n", `my.yaml:2:4: template "odd:name": the action that begins here is not closed by }}`, ""},
		"closed by one brace":  {"a: {{ .x }\nb: c\n", `my.yaml:1:4: template "odd:name": the action that begins here is not closed by }}`, ""},
		"no such variable":     {"{{ $a := 1 }}\n{{ $a }}{{ $b }}", `my.yaml:2:12: template "odd:name": undefined variable "$b"`, ""},
		"a quote not closed":   {"a\n{{ print \"x }}\n", `my.yaml:2:10: template "odd:name": unterminated quoted string`, ""},
		"method":               {"a\n{{ .MeshConfig.ProtoReflect }}", `my.yaml:2:4: template "odd:name" at .MeshConfig.ProtoReflect: ProtoReflect is not available to templates; if it is the key of a map, use index`, ""},
		"method of a variable": {"{{ $x := .ProxyConfig }}\n{{ $x.Reset }}", `my.yaml:2:4: template "odd:name" at $x.Reset: Reset is not available`, ""},
		"method of a chain":    {"{{ (index .Spec.Containers 0).Unmarshal }}", `Unmarshal is not available`, ""},
		"method in a branch":   {"{{ with .ProxyConfig }}{{ else }}{{ range .Spec.Containers }}{{ template \"x\" .SetName }}{{ end }}{{ end }}{{ define \"x\" }}{{ end }}", `SetName is not available`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := render.Current(nil).Compile("odd:name", tc.text, origin, render.Limits{})
			var e *render.Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), tc.want) || e.Template != "odd:name" {
				t.Fatalf("got %v\nwant %s", err, tc.want)
			}
			if !strings.Contains(e.Public(), tc.public) {
				t.Errorf("public %s", e.Public())
			}
		})
	}
	for name, tc := range map[string]struct{ text, want string }{
		"nil":                     {"a\n{{ .Values.global.nothing.y }}", `my.yaml:2:4: template "odd:name" at .Values.global.nothing.y: .Values.global.nothing is null, so it has no y: put the action into {{ with }} or {{ if }}`},
		"no field":                {"{{ .Nothing }}", `my.yaml:1:4: template "odd:name" at .Nothing: can't evaluate field Nothing in the data that templates see; its fields are `},
		"a field misspelled":      {"x: {{ .Valus.global.hub }}", `my.yaml:1:7: template "odd:name" at .Valus.global.hub: can't evaluate field Valus in the data that templates see: did you mean .Values?; its fields are Values, `},
		"a field of a field":      {"x: {{ .ObjectMeta.Annotation }}", `my.yaml:1:7: template "odd:name" at .ObjectMeta.Annotation: can't evaluate field Annotation in type *v1.ObjectMeta: did you mean .Annotations?; its fields are Annotations, `},
		"a field of a list":       {"x: {{ .Spec.Containers.Name }}", `can't evaluate field Name in type []v1.Container; it is a list: use range, or index with a number`},
		"a field that is not set": {"x: {{ .Spec.SecurityContext.RunAsUser }}", `at .Spec.SecurityContext.RunAsUser: .Spec.SecurityContext is null, so it has no RunAsUser: put`},
		"fail":                    {"\n\n {{ fail \"no: >: reason\" }}", `my.yaml:3:5: template "odd:name" at fail: the template refuses the pod: no: >: reason`},
		"panic":                   {"{{ div 1 0 }}", `my.yaml:1:4: template "odd:name" at div 1 0: error calling div: runtime error: integer divide by zero`},
		"type":                    {"{{ toLower 5 }}", `my.yaml:1:12: template "odd:name" at 5: expected string; found 5`},
		"define":                  {"{{ define \"x\" }}\n{{ .a }}{{ end }}{{ template \"x\" 5 }}", `my.yaml:2:4: template "odd:name" at .a: can't evaluate field a in type int`},
		"no such template":        {"{{ define \"labels\" }}{{ end }}\n{{ template \"label\" . }}", `my.yaml:2:13: template "odd:name" at {{template "label" .}}: template "label" not defined; it defines labels`},
		"no template at all":      {"{{ template \"label\" . }}", `template "label" not defined; this one defines none`},
		"strdict":                 {"{{ strdict \"a\" }}", `strdict: the key "a" has no value`},
		"omit":                    {"{{ omit 5 }}", `omit: found int, must be a map`},
	} {
		t.Run(name, func(t *testing.T) {
			tmpl, err := render.Current(nil).Compile("odd:name", tc.text, origin, render.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if tmpl.Name() != "odd:name" {
				t.Errorf("name %q", tmpl.Name())
			}
			out, err := tmpl.Execute(sample.Data())
			var e *render.Error
			if out != nil || !errors.As(err, &e) || !strings.Contains(e.WithKeys(sample.Data()).Error(), tc.want) {
				t.Errorf("got %q, %v\nwith keys %v\nwant %s", out, err, e.WithKeys(sample.Data()), tc.want)
			}
			// Names of keys are for those who may read the configuration.
			if strings.Contains(err.Error(), " has global") || strings.Contains(err.Error(), "resources") {
				t.Errorf("without keys: %v", err)
			}
			// The name of a field may be said to readers who have not got the file.
			named := strings.HasPrefix(name, "a field") && name != "a field that is not set" || name == "nil" || name == "no field" || name == "define"
			if strings.Contains(e.Public(), "names a field that is not there") != named {
				t.Errorf("public: %s", e.Public())
			}
		})
	}
	_, err := render.Current(nil).Compile("a", "\n{{ x }}", config.Origin{}, render.Limits{})
	if want := `template "a" line 2: function "x" not defined`; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

// Whatever a template does, its execution ends, soon and in little memory.
func TestLimits(t *testing.T) {
	limits := render.Limits{Output: 1000, Steps: 1000, Depth: 10}
	for name, tc := range map[string]struct{ text, want string }{
		"output":             {`{{ range until 500 }}abc{{ end }}`, "exceeds the limit on output, 1000 bytes"},
		"rounds":             {`{{ range until 10000 }}{{ end }}`, `exceeds the limit on loop rounds and template calls, 1000`},
		"rounds of a number": {`{{ range 1000000000 }}{{ end }}`, "exceeds the limit on loop rounds"},
		"nested rounds":      {`{{ range until 100 }}{{ range until 100 }}{{ range until 100 }}{{ continue }}{{ end }}{{ end }}{{ end }}`, "exceeds the limit on loop rounds"},
		"recursion":          {`{{ define "x" }}{{ template "x" }}{{ end }}{{ template "x" }}`, `exceeds the limit on nested template calls, 10, in the template "x" that it defines`},
		"doubling calls":     {doublings(), "exceeds the limit on loop rounds and template calls"},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			out, err := compile(t, render.Current(nil), tc.text, limits).Execute(sample.Data())
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %d bytes, %v\nwant %s", len(out), err, tc.want)
			}
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

// doublings are templates that call the next one three times, eight deep: many
// calls, without a loop.
func doublings() string {
	var s strings.Builder
	for i := range 8 {
		fmt.Fprintf(&s, `{{ define "%d" }}{{ template "%d" }}{{ template "%d" }}{{ template "%d" }}{{ end }}`, i, i+1, i+1, i+1)
	}
	return s.String() + `{{ define "8" }}{{ end }}{{ template "0" }}`
}

func TestTimeLimit(t *testing.T) {
	now := time.Unix(0, 0)
	var mu sync.Mutex
	limits := render.Limits{Time: time.Second, Now: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(300 * time.Millisecond)
		return now
	}}
	_, err := compile(t, render.Current(nil), "\n{{ range until 1000 }}{{ end }}", limits).Execute(sample.Data())
	var limit *render.LimitError
	if !errors.As(err, &limit) || limit.What != "time" || !strings.Contains(err.Error(), `template "sidecar" line 2: exceeds the limit on time, 1s`) {
		t.Errorf("got %v", err)
	}
}

// An empty string that a template prints is not taken for a marker.
func TestEmptyOutput(t *testing.T) {
	out, err := compile(t, render.Current(nil), `{{ range until 3 }}{{ "" }}{{ print "" }}{{ else }}x{{ end }}{{ range until 0 }}{{ else }}none{{ end }}`, render.Limits{}).Execute(sample.Data())
	if err != nil || string(out) != "none" {
		t.Errorf("got %q, %v", out, err)
	}
}

func TestMutates(t *testing.T) {
	for text, want := range map[string]bool{
		`{{ .Values.a }}`:                                                     false,
		`{{ $_ := set .Values "a" 1 }}`:                                       true,
		`{{ if (unset .Values "a") }}{{ end }}`:                               true,
		`{{ range (list (merge .Values (dict))) }}{{ end }}`:                  true,
		`{{ define "x" }}{{ with mustMergeOverwrite . . }}{{ end }}{{ end }}`: true,
	} {
		if got := compile(t, render.Current(nil), text, render.Limits{}).Mutates(); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestConcurrentExecution(t *testing.T) {
	tmpl := compile(t, render.Current(nil), `{{ range until 20 }}{{ template "x" $ }}{{ end }}{{ define "x" }}{{ .Revision }}{{ join "," (list 1 2) }};{{ end }}`, render.Limits{})
	want := strings.Repeat("r1,2;", 20)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				if out, err := tmpl.Execute(sample.Data()); err != nil || string(out) != want {
					t.Errorf("got %q, %v", out, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// Whatever the template: no panic, no hang, an error or an output within the
// limit.
func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{
		`{{ annotation .ObjectMeta "note" "x" }}`,
		`{{ range $k, $v := fromJSON "{\"a\":1}" }}{{ $k }}{{ toYaml $v | indent 4 }}{{ end }}`,
		`{{ define "x" }}{{ template "x" . }}{{ end }}{{ template "x" . }}`,
		`{{ $x := list 1 }}{{ range until 40 }}{{ $x = list $x $x }}{{ end }}{{ $x }}`,
		`{{ printf "%1000d%[1]s" 1 }}{{ repeat 9 "x" | quote | nindent 3 }}`,
		`{{ set .Values "a" .Values }}{{ .Values }}`,
		`{{ .MeshConfig }}{{ .Spec }}{{ .ProxyConfig.GetTracing }}`,
		`{{ regexReplaceAll "a*" "aaa" "$0$0" }}{{ semver "1.2.3" }}{{ dig "a" "b" .Values }}`,
	} {
		f.Add(seed)
	}
	limits := render.Limits{Output: 1 << 16, Steps: 2000, Depth: 20, Time: time.Second}
	language := render.Current(nil)
	f.Fuzz(func(t *testing.T, text string) {
		tmpl, err := language.Compile("sidecar", text, config.FileOrigin("f"), limits)
		if err != nil {
			return
		}
		out, err := tmpl.Execute(sample.Data())
		if len(out) > limits.Output || out != nil && err != nil {
			t.Fatalf("%d bytes, %v", len(out), err)
		}
	})
}
