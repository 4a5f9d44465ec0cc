package render_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render/internal/sample"
)

func compile(t testing.TB, l *render.Language, text string, limits render.Limits) *render.Template {
	t.Helper()
	tmpl, err := l.Compile("sidecar", text, render.Source{}, limits)
	if err != nil {
		t.Fatal(err)
	}
	return tmpl
}

func TestErrorsNameThePlace(t *testing.T) {
	source := render.Source{File: "config.yaml", Line: 10}
	for name, tc := range map[string]struct{ text, want string }{
		"unknown function":     {"a\n{{ now }}", `config.yaml:11: template "odd:name": function "now" not defined`},
		"syntax":               {"a\nb\n{{ if }}", `config.yaml:12: template "odd:name": missing value for if`},
		"method":               {"a\n{{ .MeshConfig.ProtoReflect }}", `config.yaml:11: template "odd:name" at .MeshConfig.ProtoReflect: ProtoReflect is not available to templates; if it is the key of a map, use index`},
		"method of a variable": {"{{ $x := .ProxyConfig }}\n{{ $x.Reset }}", `config.yaml:11: template "odd:name" at $x.Reset: Reset is not available`},
		"method of a chain":    {"{{ (index .Spec.Containers 0).Unmarshal }}", `Unmarshal is not available`},
		"method in a branch":   {"{{ with .ProxyConfig }}{{ else }}{{ range .Spec.Containers }}{{ template \"x\" .SetName }}{{ end }}{{ end }}{{ define \"x\" }}{{ end }}", `SetName is not available`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := render.Current(nil).Compile("odd:name", tc.text, source, render.Limits{})
			var e *render.Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), tc.want) || e.Template != "odd:name" {
				t.Errorf("got %v\nwant %s", err, tc.want)
			}
		})
	}
	for name, tc := range map[string]struct{ text, want string }{
		"nil":      {"a\n{{ .Values.global.nothing.y }}", `config.yaml:11: template "odd:name" at .Values.global.nothing.y: nil pointer evaluating interface {}.y`},
		"no field": {"{{ .Nothing }}", `config.yaml:10: template "odd:name" at .Nothing: can't evaluate field Nothing in the data that templates see`},
		"fail":     {"\n\n{{ fail \"no: reason\" }}", `config.yaml:12: template "odd:name" at fail "no: reason": error calling fail: no: reason`},
		"panic":    {"{{ div 1 0 }}", `error calling div: runtime error: integer divide by zero`},
		"type":     {"{{ toLower 5 }}", `at 5: expected string; found 5`},
		"define":   {"{{ define \"x\" }}\n{{ .a }}{{ end }}{{ template \"x\" 5 }}", `config.yaml:11: template "odd:name" at .a: can't evaluate field a in type int`},
		"strdict":  {"{{ strdict \"a\" }}", `strdict: the key "a" has no value`},
		"omit":     {"{{ omit 5 }}", `omit: found int, must be a map`},
	} {
		t.Run(name, func(t *testing.T) {
			tmpl, err := render.Current(nil).Compile("odd:name", tc.text, source, render.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if tmpl.Name() != "odd:name" {
				t.Errorf("name %q", tmpl.Name())
			}
			out, err := tmpl.Execute(sample.Data())
			if out != nil || err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %q, %v\nwant %s", out, err, tc.want)
			}
			// The name of a field may be said to readers who have not got the file.
			var e *render.Error
			if named := name == "nil" || name == "no field" || name == "define"; errors.As(err, &e) && strings.Contains(e.Public(), "names a field that is not there") != named {
				t.Errorf("public: %s", e.Public())
			}
		})
	}
	_, err := render.Current(nil).Compile("a", "\n{{ x }}", render.Source{}, render.Limits{})
	if want := `template "a" line 2: function "x" not defined`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// Whatever a template does, its execution ends, soon and in little memory.
func TestLimits(t *testing.T) {
	limits := render.Limits{Output: 1000, Steps: 1000, Depth: 10}
	for name, tc := range map[string]struct{ text, want string }{
		"output":             {`{{ range until 500 }}abc{{ end }}`, "exceeds the limit on output, 1000 bytes"},
		"rounds":             {`{{ range until 10000 }}{{ end }}`, `exceeds the limit on loop rounds and template calls, 1000, in "sidecar" line 1`},
		"rounds of a number": {`{{ range 1000000000 }}{{ end }}`, "exceeds the limit on loop rounds"},
		"nested rounds":      {`{{ range until 100 }}{{ range until 100 }}{{ range until 100 }}{{ continue }}{{ end }}{{ end }}{{ end }}`, "exceeds the limit on loop rounds"},
		"recursion":          {`{{ define "x" }}{{ template "x" }}{{ end }}{{ template "x" }}`, `exceeds the limit on nested template calls, 10, in "x" line 1`},
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
	if !errors.As(err, &limit) || limit.What != "time" || !strings.Contains(err.Error(), `exceeds the limit on time, 1s, in "sidecar" line 2`) {
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
		tmpl, err := language.Compile("sidecar", text, render.Source{File: "f", Line: 3}, limits)
		if err != nil {
			return
		}
		out, err := tmpl.Execute(sample.Data())
		if len(out) > limits.Output || out != nil && err != nil {
			t.Fatalf("%d bytes, %v", len(out), err)
		}
	})
}
