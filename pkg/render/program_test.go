package render

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/conformance"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
)

// constantFields are those that the engine holds constant.
var constantFields = []string{"ProxyConfig", "MeshConfig", "Values", "Revision", "InboundTrafficPolicyMode", "CompliancePolicy", "ProxyUID", "ProxyGID"}

// reduced compiles a template for pods that share the constants of d.
func reduced(t testing.TB, l *Language, text string, limits Limits, d *Data) *Template {
	t.Helper()
	tmpl, err := l.Compile("sidecar", text, Source{}, limits, Constants{d, constantFields}, Constants{d, constantFields[1:]})
	if err != nil {
		t.Fatal(err)
	}
	return tmpl
}

// byProgram is what the template's program gives; ok is false where there is none
// or it gives up.
func byProgram(t *Template, data any) (string, bool) {
	w := t.buffers.Get().(*writer)
	w.end = t.limits.Now().Add(t.limits.Time)
	ok := t.quickly(w, data)
	return string(w.out), ok
}

// byTextTemplate is what the template means.
func byTextTemplate(t *Template, data any) (string, error) {
	w := t.buffers.Get().(*writer)
	w.reset()
	w.end = t.limits.Now().Add(t.limits.Time)
	err := t.parsed.Execute(w, data)
	return string(w.out), err
}

// agree tells whether a program, where it gives something, gives what
// text/template does.
func agree(t *testing.T, tmpl *Template, data any) (handled bool) {
	t.Helper()
	got, ok := byProgram(tmpl, data)
	want, err := byTextTemplate(tmpl, data)
	switch {
	case ok && err != nil:
		t.Errorf("the program gives %q, text/template the error %v", got, err)
	case ok && got != want:
		t.Errorf("the program gives\n%s\ntext/template\n%s", got, want)
	}
	return ok
}

// otherPods are pods that differ from that of data in what templates look at.
func otherPods() []*Data {
	none := data()
	none.ObjectMeta, none.Spec, none.DeploymentMeta = &metav1.ObjectMeta{}, &corev1.PodSpec{}, &metav1.ObjectMeta{}
	none.NativeSidecars = false
	many := data()
	many.ObjectMeta.Annotations["list"], many.ObjectMeta.Annotations["n"] = "true", "0"
	user := int64(7)
	many.Spec.SecurityContext = &corev1.PodSecurityContext{FSGroup: &user}
	many.Spec.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "b"}, {Name: "a"}}
	many.Spec.Containers[0].Args = []string{"z", "y"}
	return []*Data{data(), none, many}
}

// handled are templates that programs must cope with, for every pod.
var handled = []string{
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
	`{{ range $i, $c := .Spec.Containers }}{{ $i }}{{ $c.Name }}{{ if eq $c.Name "app" }}{{ continue }}{{ end }}!{{ end }}`,
	`{{ range $c := .Spec.Containers }}{{ $c.Name }}{{ break }}{{ end }}`,
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

func TestProgramsGiveWhatTextTemplateGives(t *testing.T) {
	language := Current(nil)
	for _, text := range handled {
		t.Run(text, func(t *testing.T) {
			pods := otherPods()
			for _, mutual := range []bool{true, false} {
				for i, d := range pods {
					shared := pods[0]
					tmpl := reduced(t, language, text, Limits{}, shared)
					d.MeshConfig, d.Values, d.ProxyConfig = shared.MeshConfig, shared.Values, shared.ProxyConfig
					if !mutual {
						// A proxy configuration of the pod's own.
						d.ProxyConfig = config.DefaultProxyConfig()
						d.ProxyConfig.ProxyMetadata = map[string]string{"A": "b"}
					}
					if !agree(t, tmpl, d) {
						t.Errorf("pod %d is left to text/template", i)
					}
				}
				if mutual {
					pods = otherPods()
				}
			}
		})
	}
}

// What fails, and what is not worth a program, is text/template's: the error is
// the same with and without constants.
func TestProgramsLeaveErrorsToTextTemplate(t *testing.T) {
	limits := Limits{Output: 1000, Steps: 1000, Depth: 10}
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
			d := data()
			language := Current(nil)
			plain, err := language.Compile("sidecar", text, Source{}, limits)
			withConstants, errToo := language.Compile("sidecar", text, Source{}, limits, Constants{d, constantFields})
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
	d := data()
	tmpl := reduced(t, Current(nil), `{{ .Revision }} {{ .Values.global.hub }}`, Limits{}, d)
	other := data() // equal values, but not the same
	other.Revision = "other"
	if _, ok := byProgram(tmpl, other); ok {
		t.Error("runs for data with other constants")
	}
	if out, err := tmpl.Execute(other); err != nil || string(out) != "other h" {
		t.Errorf("got %q, %v", out, err)
	}
	if _, ok := byProgram(tmpl, *d); ok {
		t.Error("runs for data that is no pointer")
	}
}

// A template may be small and yet become large when it is written out.
func TestProgramsStaySmall(t *testing.T) {
	now := time.Unix(0, 0)
	for name, tc := range map[string]struct {
		text   string
		limits Limits
	}{
		"nodes":             {text: `{{ range until 64 }}{{ range until 64 }}{{ range until 64 }}{{ $.Spec.NodeName }}{{ end }}{{ end }}{{ end }}`},
		"text":              {text: `{{ range until 64 }}{{ if $.NativeSidecars }}` + strings.Repeat("x", 100_000) + `{{ end }}{{ end }}`},
		"constants":         {text: `{{ range until 64 }}{{ annotation $.ObjectMeta "none" (repeat 100000 "x") | trunc 1 }}{{ end }}`},
		"printed constants": {text: `{{ $l := list (repeat 100000 "x") }}{{ range until 64 }}{{ annotation $.ObjectMeta "none" $l | trunc 1 }}{{ end }}`},
		"calls":             {text: doublings()},
		"time": {text: strings.Repeat(`{{ $.Spec.NodeName }}`, 100), limits: Limits{Time: time.Second, Now: func() time.Time {
			now = now.Add(time.Second)
			return now
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			d := data()
			tmpl := reduced(t, Current(nil), tc.text, tc.limits, d)
			if len(tmpl.programs) != 0 {
				t.Errorf("there are %d programs", len(tmpl.programs))
			}
			if want, err := byTextTemplate(tmpl, d); err == nil {
				if got, err := tmpl.Execute(d); err != nil || string(got) != want {
					t.Errorf("%d bytes, %v; want %d bytes", len(got), err, len(want))
				}
			}
		})
	}
}

func TestProgramsKeepNothingOfAPod(t *testing.T) {
	d := data()
	tmpl := reduced(t, Current(nil), `{{ with .Spec }}{{ range .Containers }}{{ .Name }}{{ end }}{{ end }}`, Limits{}, d)
	w := &writer{limits: &tmpl.limits, markers: &tmpl.markers, end: time.Now().Add(time.Hour)}
	if !tmpl.quickly(w, d) {
		t.Fatal("left to text/template")
	}
	if slices.ContainsFunc(w.slots, reflect.Value.IsValid) || len(w.slots) == 0 {
		t.Errorf("slots after the run: %v", w.slots)
	}
}

func TestSortAlphaLeavesThePodAlone(t *testing.T) {
	d := otherPods()[2]
	if _, err := compile(t, Current(nil), `{{ range .Spec.Containers }}{{ sortAlpha .Args }}{{ end }}`, Limits{}).Execute(d); err != nil {
		t.Fatal(err)
	}
	if got := d.Spec.Containers[0].Args; !slices.Equal(got, []string{"z", "y"}) {
		t.Errorf("the pod's args are %v now", got)
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
	language := Current(nil)
	for _, file := range globbed(t, root, "values/*.json") {
		shared := data()
		shared.Values = nil
		if err := json.Unmarshal(file, &shared.Values); err != nil {
			t.Fatal(err)
		}
		for text, name := range templates {
			tmpl := reduced(t, language, text, Limits{}, shared)
			if len(tmpl.programs) != 2 {
				t.Errorf("template %s: %d programs", name, len(tmpl.programs))
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
	for _, text := range handled {
		f.Add(text, "note", "v")
	}
	language := Current(nil)
	limits := Limits{Output: 1 << 14, Steps: 500, Depth: 10, Time: time.Second}
	shared := data()
	f.Fuzz(func(t *testing.T, text, annotation, value string) {
		tmpl, err := language.Compile("sidecar", text, Source{}, limits, Constants{shared, constantFields}, Constants{shared, constantFields[1:]})
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
