package partial_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"text/template"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render/internal/functions"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render/internal/partial"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render/internal/sample"
)

// handled are templates that programs must execute, for every pod.
func handled() []string {
	return []string{
		``, `text`, `{{/* comment */}}`, `a {{- " b " -}} c`,
		`{{ .Revision }}{{ .ProxyUID }}{{ .NativeSidecars }}{{ .ProxyImage }}`,
		`{{ .Values.global.hub }}{{ .Values.global.port }}{{ .Values.global.none }}{{ .Values.global.nothing }}{{ .Values.none }}`,
		`{{ .Values.none.deeper }}`, `{{ .ObjectMeta.Annotations.note }}{{ .ObjectMeta.Labels.none }}`,
		`{{ .ProxyConfig.InterceptionMode }}{{ .ProxyConfig.InterceptionMode.String }}{{ .ProxyConfig.HoldApplicationUntilProxyStarts.GetValue }}`,
		`{{ .MeshConfig.TrustDomain }}{{ .MeshConfig.GetRootNamespace }}{{ .MeshConfig.DefaultConfig.DrainDuration.Seconds }}`,
		`{{ index .ObjectMeta.Annotations "note" }}{{ index .ObjectMeta.Annotations "none" | default "d" | quote }}`,
		`{{ index .Values "global" "hub" }}{{ index .Values.global.resources.list 0 }}{{ index (list 1 2) 1 }}`,
		`{{ annotation .ObjectMeta "note" .Values.global.port }}{{ annotation .ObjectMeta "none" .Values.global.port }}{{ annotation .ObjectMeta "none" nil }}`,
		`{{ if isset .ObjectMeta.Annotations "note" }}a{{ else if isset .ObjectMeta.Labels "app" }}b{{ else }}c{{ end }}`,
		`{{ if .Values.global.hub }}a{{ else }}{{ .Values.global.hub.fails }}{{ end }}`,
		`{{ if and (isset .ObjectMeta.Annotations "list") (eq .Revision "r") }}a{{ end }}{{ if or (eq .Revision "q") .NativeSidecars }}b{{ end }}`,
		`{{ or (index .ObjectMeta.Annotations "none") .ProxyConfig.InterceptionMode }}{{ and .NativeSidecars "x" }}{{ or "" 0 .Revision }}`,
		`{{ or .NativeSidecars (index .ObjectMeta.Annotations "note") "z" }}{{ not .NativeSidecars }}{{ not .Values.none }}`,
		`{{ with index .ObjectMeta.Annotations "note" }}<{{ . }}{{ $.Revision }}>{{ else }}none{{ end }}`,
		`{{ with $x := .Spec.SecurityContext }}{{ $x.FSGroup }}{{ .FSGroup }}{{ else }}no context{{ end }}`,
		`{{ with .Values.global.hub }}{{ . }}{{ end }}{{ with .Values.none }}{{ else with .Revision }}{{ . }}{{ end }}`,
		`{{ range .Spec.Containers }}{{ .Name }}:{{ range .Ports }}{{ .ContainerPort }}/{{ .Protocol }},{{ end }};{{ else }}none{{ end }}`,
		`{{ range $i, $c := .Spec.Containers }}{{ $i }}{{ $c.Name }}{{ if eq $c.Name "app" }}{{ $i }}{{ end }}!{{ end }}`,
		`{{ range $k, $v := .ObjectMeta.Annotations }}{{ $k }}={{ $v }};{{ end }}{{ range .ObjectMeta.Labels }}{{ . }}{{ end }}`,
		`{{ range $k, $v := .Values.global.resources }}{{ $k }}{{ toJSON $v }}{{ end }}{{ range $v := list 1 "a" nil }}{{ $v }}{{ end }}`,
		`{{ range $i, $e := until 3 }}{{ $i }}{{ $e }}{{ end }}{{ range until 70 }}{{ . }}{{ end }}{{ range .Values.none }}{{ else }}e{{ end }}`,
		`{{ $first := true }}{{ range .Spec.Containers }}{{ if not $first }},{{ end }}{{ .Name }}{{ $first = false }}{{ end }}{{ $first }}`,
		`{{ $l := list }}{{ range .Spec.Containers }}{{ $l = append $l .Name }}{{ end }}{{ join "," $l }}{{ len $l }}{{ if ge (len $l) 1 }}{{ index $l 0 }}{{ end }}`,
		`{{ $n := 0 }}{{ range until 3 }}{{ $n = add $n 1 }}{{ end }}{{ $n }}{{ $m := $n }}{{ $n = 9 }}{{ $m }}`,
		`{{ $x := "a" }}{{ if .NativeSidecars }}{{ $x := "b" }}{{ $x }}{{ end }}{{ $x }}`,
		`{{ $x := "a" }}{{ if .NativeSidecars }}{{ $x = "b" }}{{ end }}{{ $x }}{{ if $x = "" }}{{ else }}{{ $x }}{{ end }}`,
		`{{ $x := .Revision }}{{ $y := $x }}{{ $y }}{{ $z := index .ObjectMeta.Annotations "note" }}{{ $z }}{{ $z }}`,
		`{{ define "x" }}[{{ . }}{{ $y := . }}{{ $y }}]{{ end }}{{ template "x" .Revision }}{{ template "x" index .ObjectMeta.Annotations "note" }}{{ template "x" }}`,
		`{{ define "m" }}{{ .ObjectMeta.Annotations.note }}{{ .Revision }}{{ end }}{{ template "m" . }}{{ block "b" .Spec }}{{ len .Containers }}{{ end }}`,
		`{{ eq .Revision "a" "r" }}{{ ne .ProxyUID 1337 }}{{ eq .Values.global.nothing "x" }}{{ eq 1 1 }}{{ eq true .NativeSidecars }}{{ eq .Values.global.port 15020.0 }}`,
		`{{ lt 1 1 }}{{ le 1 1 }}{{ gt 1 1 }}{{ ge 1 1 }}{{ lt 2 1 }}{{ le 2 1 }}{{ gt 2 1 }}{{ ge 2 1 }}{{ lt "a" .Revision }}{{ ge .Revision "r" }}`,
		`{{ lt 1 2 }}{{ le "a" "b" }}{{ gt 3 2 }}{{ ge (len .Spec.Containers) 1 }}`,
		`{{ printf "%s-%d-%t" .Revision 3 .NativeSidecars | quote }}{{ print .Revision 1 }}{{ toLower "AB" }}{{ contains "/" .Revision }}`,
		`{{ toYaml .Values.global.resources | indent 2 }}{{ toYaml (omitNil .Values.global.resources) | nindent 4 }}{{ toJSON .ObjectMeta.Labels }}`,
		`{{ structToJSON .Spec.Containers }}{{ range .Spec.Containers }}{{ range .Ports }}{{ structToJSON . }}{{ end }}{{ end }}{{ structToJSON .Spec }}`,
		`{{ excludeInboundPort (annotation .ObjectMeta "port" .Values.global.port) (annotation .ObjectMeta "ports" "") }}`,
		`{{ applicationPorts .Spec.Containers }}{{ includeInboundPorts .Spec.Containers }}{{ valueOrDefault .Values.none "x" }}`,
		`{{ protoToJSON .ProxyConfig }}{{ formatDuration .ProxyConfig.DrainDuration }}{{ directory "/a/b" }}{{ env "NONE" "d" }}`,
		`{{ index .ObjectMeta.Labels "app" | default .DeploymentMeta.Name | trunc 63 | trimAll "-_." | quote }}`,
		`{{ fromJSON "{\"a\": [1, null]}" }}{{ range $k, $v := fromJSON (index .ObjectMeta.Annotations "note") | list }}{{ $v }}{{ end }}`,
		`{{ .Spec }}{{ .ObjectMeta.Labels }}{{ range .Spec.ImagePullSecrets }}{{ . }}{{ .Name }}{{ end }}{{ .Spec.SecurityContext }}`,
		`{{ range .Spec.Containers }}{{ .Args | sortAlpha | join "," }}{{ .Args }}{{ end }}{{ (index .ObjectMeta.Annotations "note") | upper }}`,
		`{{ (.Values.global).hub }}{{ ($).Revision }}{{ (list 1 2 | first) }}{{ dict "a" 1 }}{{ $d := dict "a" .Revision }}{{ $d.a }}{{ $d.b }}`,
		`{{ ternary "a" "b" .NativeSidecars }}{{ hasPrefix "a" "abc" }}{{ trunc -2 "abc" }}{{ .DeploymentMeta.Name | replace "w" "v" }}`,
		`{{ if (index .ObjectMeta.Annotations "n") }}{{ index .ObjectMeta.Annotations "n" | int }}{{ end }}{{ otelResourceAttributes .MeshConfig .ObjectMeta.Annotations .ObjectMeta.Labels .DeploymentMeta.Namespace .Spec.Containers }}`,
	}
}

func parsed(t *testing.T, text string, funcs template.FuncMap) *template.Template {
	t.Helper()
	tmpl, err := template.New("test").Funcs(funcs).Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return tmpl
}

func TestProgramsGiveWhatTextTemplateGives(t *testing.T) {
	funcs := functions.Current(nil)
	for _, text := range handled() {
		t.Run(text, func(t *testing.T) {
			shared := sample.Data()
			tmpl := parsed(t, text, funcs)
			all := partial.Compile(tmpl, options(t, funcs, shared, sample.Constants()))
			// Without the first constant, for pods with a proxy configuration of their own.
			fewer := partial.Compile(tmpl, options(t, funcs, shared, sample.Constants()[1:]))
			for i, pod := range sample.Pods() {
				pod.MeshConfig, pod.Values, pod.ProxyConfig = shared.MeshConfig, shared.Values, shared.ProxyConfig
				for _, p := range []*partial.Program{all, fewer} {
					want, err := oracle(tmpl, pod)
					if got, ok := run(p, pod); !ok || err != nil || got != want {
						t.Errorf("pod %d: got %q, %t\nwant %q, %v", i, got, ok, want, err)
					}
					pod.ProxyConfig = config.DefaultProxyConfig()
					pod.ProxyConfig.ProxyMetadata = map[string]string{"A": "b"}
				}
			}
		})
	}
}

// What the language of programs does not have is left to text/template when the
// template is compiled.
func TestLeftToTextTemplate(t *testing.T) {
	s := newSubject(t)
	for _, text := range []string{
		`{{ fail "boom" | or true }}`, `{{ fail "boom" | and false }}`, `{{ "a" | or }}`, `{{ and }}`,
		`{{ range .Spec.Containers }}{{ break }}{{ end }}`, `{{ range .Spec.Containers }}{{ continue }}{{ end }}`,
		`{{ range .Values.items }}{{ range $.Odd.Empty }}{{ else }}{{ break }}{{ end }}x{{ end }}`,
		`{{ range .Values.items }}{{ range $.Odd.Empty }}{{ else }}{{ continue }}{{ end }}x{{ end }}`,
		`{{ $e := "outer" }}{{ range $e := .Odd.Empty }}{{ else }}{{ $e }}{{ end }}`, `{{ range $i, $e := .Odd.Empty }}{{ else }}{{ $i }}{{ end }}`,
		`{{ $e := 1 }}{{ range $e := .Odd.Empty }}{{ else }}{{ $e = 5 }}{{ end }}{{ $e }}`,
		`{{ $x := 1 }}{{ range $x = .Values.items }}{{ end }}{{ $x }}`, `{{ $x = 1 }}`, `{{ $ = 1 }}`, `{{ print ($x := 1) }}`, `{{ ($x := 1) }}`,
		`{{ .Meta.CreationTimestamp.Date }}`, `{{ .Odd.Other }}`, `{{ .Odd.Greeting "a" }}`, `{{ .Odd.GetGreeting "a" }}`, `{{ "a" | .Odd.GetGreeting }}`, `{{ .Odd.Deep "a" }}`,
		`{{ define "x" }}{{ template "x" }}{{ end }}{{ template "x" }}`, `{{ template "none" }}`, `{{ nil }}`, `{{ (nil).x }}`, `{{ list.a }}`,
		`{{ 0x10 }}`, `{{ 1_000 }}`, `{{ 'a' }}`, `{{ 1e3 }}`, `{{ +1 }}`, `{{ 2i }}`, `{{ trunc 1.5 "a" }}`, `{{ addf 1 2i }}`,
		`{{ call .Odd.Func 1 }}`, `{{ index .Values }}`, `{{ index }}`, `{{ eq 1 }}`, `{{ ne 1 }}`, `{{ lt 1 }}`, `{{ not }}`, `{{ not 1 2 }}`, `{{ len }}`, `{{ lt 1 2 3 }}`, `{{ not nil }}`,
		`{{ toLower }}`, `{{ toLower "a" "b" }}`, `{{ toLower nil }}`, `{{ trunc 2 }}`, `{{ "a" "b" }}`,
	} {
		if tmpl, p := s.program(text); tmpl == nil || p != nil {
			t.Errorf("%s: parsed: %t, program: %t; want no program", text, tmpl != nil, p != nil)
		}
		s.check(text)
	}
}

// What is wrong or rare only for some pods has a program, which falls back.
func TestProgramsFallBack(t *testing.T) {
	s := newSubject(t)
	for _, text := range []string{
		`{{ .Odd.Nil.x }}`, `{{ .Odd.NilOdd.Uint }}`, `{{ .Odd.NilOdd.GetInner }}`, `{{ .Odd.hidden }}`, `{{ .None }}`, `{{ .Image.x }}`, `{{ .Odd.IntMap.k }}`, `{{ .Odd.NamedMap.k }}`,
		`{{ .Odd.GetThree }}`, `{{ .Odd.GetPair }}`, `{{ .Odd.GetNothing }}`, `{{ .Odd.GetError }}`, `{{ .Odd.GetFailure }}`, `{{ .Odd.GetGreeting }}`, `{{ .Odd.GetAll }}`, `{{ .Odd.GetPanic }}`,
		`{{ fail "no" }}`, `{{ div 1 .Values.zero }}`, `{{ toLower .Odd.Named }}`, `{{ toLower .Odd.Nil }}`, `{{ annotation .Odd.Nil "a" "b" }}`, `{{ annotation .Odd.Nil "a" .Image }}`,
		`{{ index .Values.items 99 }}`, `{{ index .Values.items -1 }}`, `{{ index .Values.items 4 }}`, `{{ index .Values.items "a" }}`, `{{ index .Image 0 }}`, `{{ index .Odd.Nil "a" }}`, `{{ index .Values.nothing "a" }}`,
		`{{ .Odd.Ptr.Ptr.Deep }}`, `{{ .Odd.NilPart.Promoted }}`, `{{ index .Odd.IntMap 1 }}`, `{{ index .Odd.AnyMap (list 1) }}`, `{{ index .Odd.AnyMap "k" }}`, `{{ index .Meta.Labels 1 }}`, `{{ index .Meta.Labels .Odd.Nil }}`, `{{ index .Odd.NilOdd "a" }}`,
		`{{ len .UID }}`, `{{ len .Odd.Nil }}`, `{{ len .Odd.Array }}`, `{{ eq .Odd.Uint 7 }}`, `{{ eq .Image 1 }}`, `{{ eq .Spec .Spec }}`, `{{ eq .Odd.Nil .Odd.Nil }}`, `{{ lt .Odd.Float 2.0 }}`, `{{ lt .Image 1 }}`,
		`{{ gt .Odd.Uint 1 }}`, `{{ if .Odd.Complex }}{{ end }}`, `{{ if .Odd.Chan }}{{ end }}`, `{{ if .Odd.Func }}{{ end }}`, `{{ if .Odd.Array }}{{ end }}`, `{{ .Odd.Func }}`, `{{ .Odd.Chan }}`,
		`{{ range 3 }}{{ . }}{{ end }}`, `{{ range .UID }}{{ end }}`, `{{ range .Odd.Seq }}{{ . }}{{ end }}`, `{{ range .Odd.Array }}{{ end }}`, `{{ range .Odd.IntMap }}{{ end }}`, `{{ range .Odd.AnyMap }}{{ end }}`,
		`{{ range .Image }}{{ end }}`, `{{ range .Odd.NilOdd }}{{ end }}`, `{{ repeat 100000000 "x" }}`, `{{ toJSON .Odd.Chan }}`, `{{ toYaml .Odd.Func }}`, `{{ repeat 70000 "x" }}`,
	} {
		tmpl, p := s.program(text)
		if tmpl == nil || p == nil {
			t.Errorf("%s: parsed: %t, program: %t; want a program", text, tmpl != nil, p != nil)
			continue
		}
		if got, ok := run(p, s.pods[0]); ok {
			t.Errorf("%s: the program gives %q", text, got)
		}
		s.check(text)
	}
}

// What a template never comes to has no say, and what it does come to fails even if
// nothing is printed of it.
func TestUnusedIsEvaluated(t *testing.T) {
	s := newSubject(t)
	for text, want := range map[string]bool{
		`{{ if .Values.flag }}a{{ else }}{{ break_ }}{{ end }}`:        false, // no such function
		`{{ if .Values.flag }}a{{ else }}{{ call .Image }}{{ end }}`:   true,
		`{{ if .Native }}a{{ else }}{{ fail "no" }}{{ end }}`:          true,
		`{{ and .Values.empty (fail "no") }}`:                          true,
		`{{ .Odd.Deep }}`:                                              true,
		`{{ or .Odd.Truth .Native }}`:                                  true,
		`{{ and .Native .Odd.Truth }}`:                                 true,
		`{{ or .Native (fail "no") }}`:                                 true,
		`{{ and .Native (fail "no") }}`:                                false,
		`{{ $x := fail "no" }}`:                                        false,
		`{{ default (fail "no") .Image }}`:                             false,
		`{{ eq .Image .Image (fail "no") }}`:                           false,
		`{{ ternary "a" (fail "no") true }}`:                           false,
		`{{ define "x" }}{{ end }}{{ template "x" (fail "no") }}`:      false,
		`{{ range $x := .Values.items }}{{ $y := fail "n" }}{{ end }}`: false,
	} {
		_, p := s.program(text)
		if _, ok := run(p, s.pods[0]); ok != want {
			t.Errorf("%s: executed: %t, want %t", text, ok, want)
		}
		s.check(text)
	}
}

func TestFits(t *testing.T) {
	s := newSubject(t)
	_, p := s.program(`{{ .Revision }}`)
	fits := func(d any) bool { return p.Fits(reflect.Indirect(reflect.ValueOf(d))) }
	change := func(do func(*podData)) *podData {
		d := *s.pods[0]
		do(&d)
		return &d
	}
	for name, tc := range map[string]struct {
		data any
		want bool
	}{
		"the same constants":       {s.pods[0], true},
		"another pod":              {s.pods[1], true},
		"another string":           {change(func(d *podData) { d.Revision = "x" }), false},
		"another number":           {change(func(d *podData) { d.UID++ }), false},
		"a map that is only equal": {change(func(d *podData) { d.Values = sharedData().Values }), false},
		"another pointer":          {change(func(d *podData) { d.Config = sharedData().Config }), false},
		"no pointer":               {*s.pods[0], false},
		"another type":             {sample.Data(), false},
	} {
		if got := fits(tc.data); got != tc.want {
			t.Errorf("%s: fits: %t", name, got)
		}
	}
	// A constant of a type that cannot be compared fits nothing.
	p = partial.Compile(parsed(t, "", nil), options(t, nil, s.shared, []string{"Native"}))
	if fits(s.shared) {
		t.Error("fits by a bool")
	}
}

// Options.Data may change after Compile.
func TestConstantsAreCopied(t *testing.T) {
	shared := sharedData()
	p := partial.Compile(parsed(t, "{{ .Revision }}", nil), options(t, nil, shared, constants()))
	d := *shared
	shared.Revision = "changed"
	if got, ok := run(p, &d); got != "r" || !ok {
		t.Errorf("got %q, %t", got, ok)
	}
}

// A template may be small and yet become large when it is written out.
func TestProgramsStaySmall(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	for name, tc := range map[string]struct {
		text string
		want bool
	}{
		"few nodes":         {`{{ range until 64 }}{{ range until 64 }}{{ $.Spec.NodeName }}{{ end }}{{ end }}`, true},
		"many nodes":        {`{{ range until 64 }}{{ range until 64 }}{{ range until 5 }}{{ $.Spec.NodeName }}{{ end }}{{ end }}{{ end }}`, false},
		"a long loop":       {`{{ range until 65 }}{{ range until 65 }}{{ range until 65 }}{{ $.Spec.NodeName }}{{ end }}{{ end }}{{ end }}`, true},
		"some text":         {`{{ range until 30 }}{{ if $.Native }}` + long + `{{ end }}{{ end }}`, true},
		"much text":         {`{{ range until 64 }}{{ if $.Native }}` + long + `{{ end }}{{ end }}`, false},
		"large constants":   {`{{ range until 64 }}{{ toJSON (repeat 100000 "x") | trunc 1 }}{{ end }}`, false},
		"printed constants": {`{{ $l := list (repeat 100000 "x") }}{{ range until 64 }}{{ annotation $.Meta "none" $l | trunc 1 }}{{ end }}`, false},
	} {
		funcs := functions.Current(nil)
		tmpl := parsed(t, tc.text, funcs)
		if p := partial.Compile(tmpl, options(t, funcs, sharedData(), constants())); (p != nil) != tc.want {
			t.Errorf("%s: program: %t", name, p != nil)
		}
	}
	// As deep as may be, and one deeper.
	calls := `{{ define "a" }}{{ template "b" }}{{ end }}{{ define "b" }}{{ end }}{{ template "a" }}`
	late := false
	for depth, want := range map[int]bool{2: false, 3: true} {
		o := options(t, nil, sharedData(), constants())
		o.Depth = depth
		o.Late = func() bool { return late }
		if p := partial.Compile(parsed(t, calls, nil), o); (p != nil) != want {
			t.Errorf("depth %d: program: %t", depth, p != nil)
		}
	}
	late = true
	o := options(t, nil, sharedData(), constants())
	o.Late = func() bool { return late }
	if partial.Compile(parsed(t, strings.Repeat("{{ .Image }}", 100), nil), o) != nil {
		t.Error("there is a program, though compiling took too long")
	}
}

// meter counts what programs count.
type meter struct {
	collector
	steps, limit int
}

func (*meter) Late() bool { return false }

func (m *meter) Count(steps int) bool {
	m.steps += steps
	return m.steps <= m.limit
}

func TestProgramsCountMarkers(t *testing.T) {
	o := options(t, nil, sharedData(), constants())
	o.Marker = func(text []byte) (int, bool) {
		return strings.Count(string(text), "#"), strings.Contains(string(text), "#")
	}
	p := partial.Compile(parsed(t, `##{{ range .Values.items }}#{{ end }}{{ range .Spec.Containers }}#{{ .Name }}{{ end }}text`, nil), o)
	for limit, want := range map[int]bool{8: true, 7: false} {
		m := &meter{limit: limit}
		ok := p.Run(reflect.ValueOf(pods(sharedData())[0]).Elem(), m)
		if ok != want || ok && (m.steps != 8 || m.text.String() != "appistio-proxytext") {
			t.Errorf("limit %d: %t, %d steps, %q", limit, ok, m.steps, m.text.String())
		}
	}
}

// A defect is reported, and the program falls back; what functions and methods do
// is none.
func TestDefects(t *testing.T) {
	for name, tc := range map[string]struct {
		text    string
		want    bool // a program
		defects int
	}{
		"none":                            {`{{ .Image }}`, true, 0},
		"a function panics":               {`{{ broken "a" }}`, true, 0},
		"a function panics for a pod":     {`{{ broken .Image }}`, true, 0},
		"a method panics":                 {`{{ .Odd.GetPanic }}`, true, 0},
		"the evaluator, when it compiles": {`mark{{ .Image }}`, false, 1},
		"the evaluator, when it runs":     {`{{ .Image }}{{ range .Spec.Containers }}count{{ end }}`, true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var got []error
			funcs := template.FuncMap{"broken": func(string) (string, error) { panic("in a function") }}
			o := options(t, funcs, sharedData(), constants())
			o.Defect = func(err error) { got = append(got, err) }
			o.Marker = func(text []byte) (int, bool) {
				if string(text) == "mark" {
					panic(errors.New("a defect"))
				}
				return 1, string(text) == "count"
			}
			p := partial.Compile(parsed(t, tc.text, funcs), o)
			if (p != nil) != tc.want {
				t.Fatalf("program: %t", p != nil)
			}
			if p != nil {
				d := pods(sharedData())[0]
				if ok := p.Run(reflect.ValueOf(d).Elem(), panicking{}); ok && strings.Contains(tc.text, "count") {
					t.Error("the program did not fall back")
				}
			}
			if len(got) != tc.defects {
				t.Errorf("%d defects, want %d: %v", len(got), tc.defects, got)
			}
			for _, err := range got {
				if !strings.Contains(err.Error(), "a defect") || !strings.Contains(err.Error(), "program.go") {
					t.Errorf("no message, or no stack: %v", err)
				}
			}
		})
	}
}

// panicking is an output that fails when it counts.
type panicking struct{}

func (panicking) WriteText(string) bool { return true }
func (panicking) Late() bool            { return false }

func (panicking) Count(int) bool { panic(fmt.Errorf("a defect")) }

// Conditions are most of what templates do for each pod.
func TestConditionsAllocateNothing(t *testing.T) {
	s := newSubject(t)
	_, p := s.program(`{{ if and .Native (isset .Meta.Labels "app") (eq .Image "image") }}a{{ end }}{{ if or (not .Native) (eq .Spec.ServiceAccountName .Image) }}b{{ end }}`)
	d, out := reflect.ValueOf(s.pods[0]).Elem(), &counted{}
	if n := testing.AllocsPerRun(100, func() { p.Run(d, out) }); n > 0 || string(out.text[:1]) != "a" {
		t.Errorf("%v allocations, text %q", n, out.text[:1])
	}
}

// counted is an output that allocates nothing.
type counted struct{ text [1000]byte }

func (c *counted) WriteText(text string) bool { copy(c.text[:], text); return true }
func (*counted) Late() bool                   { return false }

func (c *counted) Count(int) bool { return true }
