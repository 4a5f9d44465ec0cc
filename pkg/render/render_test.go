package render

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	meshconfig "istio.io/api/mesh/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
)

func data() *Data {
	return &Data{
		TypeMeta:       metav1.TypeMeta{Kind: "Deployment", APIVersion: "apps/v1"},
		DeploymentMeta: &metav1.ObjectMeta{Name: "web", Namespace: "shop"},
		ObjectMeta: &metav1.ObjectMeta{
			Labels:      map[string]string{"app": "web", "app.kubernetes.io/version": "v1"},
			Annotations: map[string]string{"note": "kept", "empty": "", "ports": "4, 5"},
		},
		Spec: &corev1.PodSpec{Containers: []corev1.Container{
			{Name: "app", Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 80}, {ContainerPort: 53, Protocol: corev1.ProtocolUDP}}},
			{Name: "istio-proxy", Ports: []corev1.ContainerPort{{ContainerPort: 15090}, {ContainerPort: 9, Protocol: corev1.ProtocolSCTP}}},
		}},
		ProxyConfig: config.DefaultProxyConfig(),
		MeshConfig:  config.DefaultMesh(),
		Values: map[string]any{
			"global": map[string]any{
				"hub": "h", "port": float64(15020), "nothing": nil,
				"resources": map[string]any{"limits": map[string]any{"cpu": nil, "memory": "1Gi"}, "list": []any{map[string]any{"a": nil}}},
			},
			"Reset": "a key",
		},
		Revision: "r", ProxyUID: 1337, NativeSidecars: true,
	}
}

func compile(t testing.TB, l *Language, text string, limits Limits) *Template {
	t.Helper()
	tmpl, err := l.Compile("sidecar", text, Source{}, limits)
	if err != nil {
		t.Fatal(err)
	}
	return tmpl
}

func TestCurrentFunctions(t *testing.T) {
	language := Current(map[string]string{"ALLOWED": "yes"})
	for in, want := range map[string]string{
		// ours
		`{{ annotation .ObjectMeta "note" "x" }}`:                                                                     "kept",
		`{{ annotation .ObjectMeta "empty" "x" }}`:                                                                    "",
		`{{ annotation .ObjectMeta "none" .Values.global.port }}`:                                                     "15020",
		`{{ annotation .ObjectMeta "none" .ProxyConfig.InterceptionMode }}`:                                           "REDIRECT",
		`{{ annotation .ObjectMeta "none" .Values.none }}`:                                                            "<nil>",
		`{{ isset .ObjectMeta.Annotations "empty" }} {{ isset .ObjectMeta.Annotations "x" }}`:                         "true false",
		`{{ valueOrDefault "" 1 }} {{ valueOrDefault .Values.none 2 }} {{ valueOrDefault 3 4 }}`:                      "1 2 3",
		`{{ excludeInboundPort 15020 "" }}`:                                                                           "15020",
		`{{ excludeInboundPort .Values.global.port "1, 15020" }}`:                                                     "1, 15020",
		`{{ excludeInboundPort "15020" "1, 2,,3" }}`:                                                                  "1,2,3,15020",
		`{{ excludeInboundPort 0 "1" }} {{ excludeInboundPort "" "1" }}`:                                              "1 1",
		`{{ includeInboundPorts .Spec.Containers }} {{ applicationPorts .Spec.Containers }}`:                          "80,15090 80",
		`{{ kubevirtInterfaces "a,b" }} {{ excludeInterfaces "c" }}`:                                                  "a,b c",
		`{{ toJSON .ObjectMeta.Labels }}`:                                                                             `{"app":"web","app.kubernetes.io/version":"v1"}`,
		`{{ toJSON .DeploymentMeta.Labels }} {{ toJSON .Values.none }}`:                                               "{} {}",
		`{{ (fromJSON "{\"a\": [1]}").a }} {{ fromJSON "odd" }}`:                                                      "[1] {}",
		`{{ range (index .Spec.Containers 0).Ports }}{{ structToJSON . }}{{ end }}`:                                   `{"name":"http","containerPort":80}{"containerPort":53,"protocol":"UDP"}`,
		`{{ structToJSON .Values.none }}`:                                                                             "{}",
		`{{ protoToJSON .ProxyConfig }}`:                                                                              "{}",
		`{{ toYaml .Values.global.resources.limits }}`:                                                                "cpu: null\nmemory: 1Gi\n",
		`{{ toYaml (omitNil .Values.global.resources) }}`:                                                             "limits:\n  memory: 1Gi\nlist:\n- {}\n",
		`{{ indent 2 "a\nb\n" }}|`:                                                                                    "a\n  b\n  |",
		`{{ directory "/etc/certs/ca.pem" }} {{ directory "x" }}`:                                                     "/etc/certs/ ",
		`{{ contains "/" "a/b" }} {{ contains "a/b" "/" }} {{ toLower "Ab" }}`:                                        "true false ab",
		`{{ formatDuration .ProxyConfig.DrainDuration }} {{ formatDuration .ProxyConfig.FileFlushInterval }}`:         "45s 0s",
		`{{ appendMultusNetwork "" "default/cni" }}`:                                                                  "default/cni",
		`{{ appendMultusNetwork "a" "default/cni" }} {{ appendMultusNetwork "a, default/cni" "default/cni" }}`:        "a, default/cni a, default/cni",
		`{{ appendMultusNetwork "[{\"name\":\"a\"}]" "default/cni" }}`:                                                `[{"name":"a"}, {"name":"cni","namespace":"default"}]`,
		`{{ appendMultusNetwork "[]" "cni" }} {{ appendMultusNetwork "[x]" "cni" }}`:                                  `[{"name":"cni"}] [x]`,
		`{{ appendMultusNetwork "[{\"name\":\"cni\",\"namespace\":\"default\"}]" "default/cni" }}`:                    `[{"name":"cni","namespace":"default"}]`,
		`{{ env "ALLOWED" "no" }} {{ env "HOME" "no" }}`:                                                              "yes no",
		`{{ omit .ObjectMeta.Labels "app" }} {{ omit (dict "a" 1 "b" 2) "a" "c" }} {{ omit .Values.none "a" }}`:       "map[app.kubernetes.io/version:v1] map[b:2] map[]",
		`{{ toJsonMap .ObjectMeta.Labels (strdict "app" "other") }}`:                                                  `{"app":"other","app.kubernetes.io/version":"v1"}`,
		`{{ mergeMaps (strdict "a" "1") (strdict "a" "2" "b" "3") }}`:                                                 "map[a:2 b:3]",
		`{{ otelResourceAttributes .MeshConfig .ObjectMeta.Annotations .ObjectMeta.Labels "shop" .Spec.Containers }}`: "",
		// of sprig, in the place of its own
		`{{ list "a" 1 nil | join "," }} {{ join "-" (splitList "," "a,b") }} {{ join "," 7 }} {{ join "," nil }}|`: "a,1 a-b 7 |",
		`{{ join "," (until 3) }}`:                  "0,1,2",
		`{{ quote "a\"b" 1 nil }} {{ squote "x" }}`: `"a\"b" "1" 'x'`,
		`{{ "a\nb" | nindent 2 }}`:                  "\n  a\n  b",
		`{{ $a := list 1 }}{{ $b := append $a 2 }}{{ $c := append $a 3 }}{{ $a }}{{ $b }}{{ $c }}{{ append (until 2) 9 }}`: "[1][1 2][1 3][0 1 9]",
		`{{ repeat 3 "ab" }} {{ until 3 }} {{ until -2 }} {{ untilStep 1 10 4 }} {{ untilStep 3 1 1 }}`:                    "ababab [0 1 2] [0 -1] [1 5 9] []",
		`{{ seq 3 }} {{ seq 2 4 }} {{ seq 9 -4 1 }} {{ seq 3 1 }} {{ seq -1 }}`:                                            "1 2 3 2 3 4 9 5 1 3 2 1 1 0 -1",
		`{{ replace "a" "bb" "aXa" }} {{ trunc 2 "abc" }} {{ "-a_" | trimAll "-_." }}`:                                     "bbXbb ab a",
		`{{ keys (dict "b" 1 "a" 2) }} {{ values (dict "b" 1 "a" 2) }}`:                                                    "[a b] [2 1]",
		`{{ printf "%05d|%-4s|%t|%%" 42 "x" true }} {{ print 1 2 "a" }} {{ println "b" }}`:                                 "00042|x   |true|% 1 2a b\n",
		`{{ printf "1234567890 %s 99999" "x" }}`:                                                                           "1234567890 x 99999",
		`{{ regexReplaceAll "a(x*)b" "axxb" "${1}W" }} {{ regexMatch "^a" "abc" }}`:                                        "xxW true",
		`{{ wrap 3 "a b c" }} {{ wrapWith 3 "|" "a b c" }}`:                                                                "a b\nc a b|c",
		`{{ uniq (list 1 1 2) }} {{ without (list 1 2) 2 }} {{ has 1 (list 1) }}`:                                          "[1 2] [1] true",
		`{{ $d := dict "a" 1 }}{{ $_ := set $d "b" 2 }}{{ toJson $d }}`:                                                    `{"a":1,"b":2}`,
		`{{ html "<a>" }} {{ js "'" }} {{ urlquery "a b" }}`:                                                               `&lt;a&gt; \' a+b`,
		`{{ .Values.none.deep | default "x" }}`:                                                                            "x",
		// what templates find
		`{{ .Values.none }} {{ .Revision }} {{ .ProxyUID }} {{ .NativeSidecars }}`:                                                  "<no value> r 1337 true",
		`{{ .ProxyConfig.GetTracing.GetTlsSettings.GetCaCertificates }}{{ .ProxyConfig.HoldApplicationUntilProxyStarts.GetValue }}`: "false",
		`{{ index .Values "Reset" }} {{ .Values.Reset }} {{ $.Values.Reset }}`:                                                      "a key a key a key",
		`{{ toLower .TypeMeta.Kind }} {{ .DeploymentMeta.Name }}`:                                                                   "deployment web",
	} {
		t.Run(in, func(t *testing.T) {
			out, err := compile(t, language, in, Limits{}).Execute(data())
			if err != nil || string(out) != want {
				t.Errorf("got %q, %v\nwant %q", out, err, want)
			}
		})
	}
}

func TestClassicFunctions(t *testing.T) {
	d := &ClassicData{
		DeploymentMeta: &metav1.ObjectMeta{Name: "web"},
		ObjectMeta:     data().ObjectMeta, Spec: data().Spec,
		ProxyConfig: config.DefaultClassicProxy(), MeshConfig: config.DefaultClassicMesh(),
	}
	for in, want := range map[string]string{
		`[[ includeInboundPorts .Spec.Containers ]] [[ applicationPorts .Spec.Containers ]]`:                               "80,53,15090,9 80,53",
		`[[ formatDuration .ProxyConfig.ParentShutdownDuration ]] [[ formatDuration .ProxyConfig.DiscoveryRefreshDelay ]]`: "1m0s 0s",
		`[[ toJson .ObjectMeta.Labels ]] {{ not ours }}`:                                                                   `{"app":"web","app.kubernetes.io/version":"v1"} {{ not ours }}`,
		`[[ annotation .ObjectMeta "x" .ProxyConfig.InterceptionMode ]] [[ .ProxyConfig.InterceptionMode.String ]]`:        "REDIRECT REDIRECT",
		`[[ .ProxyConfig.GetTracing.GetZipkin.GetAddress ]]|[[ if gt .ProxyConfig.Concurrency 0 ]]x[[ end ]]`:              "|",
		`[[ printf "%s" "a" ]][[ print 1 ]][[ println 2 ]]`:                                                                "a12\n",
		`[[ range $k, $v := fromJSON "{\"a\": {\"b\": 1}}" ]][[ $k ]]: [[ toYaml $v | indent 2 ]][[ end ]]`:                "a: b: 1\n  ",
	} {
		out, err := compile(t, Classic(), in, Limits{}).Execute(d)
		if err != nil || string(out) != want {
			t.Errorf("%s: got %q, %v\nwant %q", in, out, err, want)
		}
	}
}

// The set of functions is fixed: classic has its list and nothing else, and the
// current one lacks what reaches outside or differs from one time to the next.
func TestFunctionSets(t *testing.T) {
	want := "annotation applicationPorts directory excludeInboundPort formatDuration fromJSON html includeInboundPorts indent isset js kubevirtInterfaces print printf println toJSON toJson toYaml urlquery valueOrDefault"
	if got := strings.Join(Classic().Functions(), " "); got != want {
		t.Errorf("classic functions:\n%s\nwant\n%s", got, want)
	}
	have := map[string]bool{}
	for _, name := range Current(nil).Functions() {
		have[name] = true
		lower := strings.ToLower(name)
		for _, odd := range []string{"rand", "uuid", "date", "now", "gen", "crypt", "host", "expand", "ago", "epoch", "shuffle", "passw"} {
			if strings.Contains(lower, odd) && name != "unknown" {
				t.Errorf("%s is there", name)
			}
		}
	}
	for _, name := range strings.Fields("annotation isset valueOrDefault excludeInboundPort includeInboundPorts applicationPorts kubevirtInterfaces excludeInterfaces toJSON fromJSON structToJSON protoToJSON toYaml indent directory contains toLower formatDuration appendMultusNetwork env omit strdict toJsonMap mergeMaps omitNil otelResourceAttributes default quote nindent trunc join list append dict set get hasKey ternary regexMatch semver b64enc sha256sum") {
		if !have[name] {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestProtoToJSONLeavesOutDefaults(t *testing.T) {
	pc := config.DefaultProxyConfig()
	pc.DiscoveryAddress = "a:1"
	pc.ProxyMetadata = map[string]string{"A": "b"}
	pc.Tracing = &meshconfig.Tracing{}
	if got, err := protoToJSON(pc); err != nil || got != `{"discoveryAddress":"a:1","tracing":{},"proxyMetadata":{"A":"b"}}` {
		t.Errorf("got %s, %v", got, err)
	}
	if got, err := protoToJSON((*meshconfig.ProxyConfig)(nil)); err != nil || got != "{}" {
		t.Errorf("nil: %s, %v", got, err)
	}
	if got, err := protoToJSON(&meshconfig.Tracing{Sampling: 1}); err != nil || got != `{"sampling":1}` {
		t.Errorf("another message: %s, %v", got, err)
	}
}

func TestOtelResourceAttributes(t *testing.T) {
	mesh := &meshconfig.MeshConfig{ExtensionProviders: []*meshconfig.MeshConfig_ExtensionProvider{{
		Name: "otel",
		Provider: &meshconfig.MeshConfig_ExtensionProvider_Opentelemetry{Opentelemetry: &meshconfig.MeshConfig_ExtensionProvider_OpenTelemetryTracingProvider{
			ServiceAttributeEnrichment: meshconfig.MeshConfig_ExtensionProvider_OTEL_SEMANTIC_CONVENTIONS,
		}},
	}}}
	d := data()
	if got, want := otelResourceAttributes(mesh, nil, d.ObjectMeta.Labels, "shop", d.Spec.Containers), "service.namespace=shop,service.version=v1,service.instance.id=shop.$(POD_NAME).app"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	own := map[string]string{"resource.opentelemetry.io/service.namespace": `a,b="c`, "resource.opentelemetry.io/service.version": "2", "resource.opentelemetry.io/service.instance.id": "é"}
	if got, want := otelResourceAttributes(mesh, own, nil, "shop", nil), `service.namespace=a%2Cb%3D%22c,service.version=2,service.instance.id=%C3%A9`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, want := otelResourceAttributes(mesh, nil, nil, "", d.Spec.Containers), "service.instance.id=$(POD_NAMESPACE).$(POD_NAME).app"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestErrorsNameThePlace(t *testing.T) {
	source := Source{File: "config.yaml", Line: 10}
	for name, tc := range map[string]struct{ text, want string }{
		"unknown function":     {"a\n{{ now }}", `config.yaml:11: template "odd:name": function "now" not defined`},
		"syntax":               {"a\nb\n{{ if }}", `config.yaml:12: template "odd:name": missing value for if`},
		"method":               {"a\n{{ .MeshConfig.ProtoReflect }}", `config.yaml:11: template "odd:name" at .MeshConfig.ProtoReflect: ProtoReflect is not available to templates; if it is the key of a map, use index`},
		"method of a variable": {"{{ $x := .ProxyConfig }}\n{{ $x.Reset }}", `config.yaml:11: template "odd:name" at $x.Reset: Reset is not available`},
		"method of a chain":    {"{{ (index .Spec.Containers 0).Unmarshal }}", `Unmarshal is not available`},
		"method in a branch":   {"{{ with .ProxyConfig }}{{ else }}{{ range .Spec.Containers }}{{ template \"x\" .SetName }}{{ end }}{{ end }}{{ define \"x\" }}{{ end }}", `SetName is not available`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Current(nil).Compile("odd:name", tc.text, source, Limits{})
			var e *Error
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
			tmpl, err := Current(nil).Compile("odd:name", tc.text, source, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if tmpl.Name() != "odd:name" {
				t.Errorf("name %q", tmpl.Name())
			}
			out, err := tmpl.Execute(data())
			if out != nil || err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %q, %v\nwant %s", out, err, tc.want)
			}
			// What fails so for every pod, whatever the pod has.
			var e *Error
			if certain := name == "nil" || name == "no field" || name == "define"; errors.As(err, &e) && e.FailsForEveryPod() != certain {
				t.Errorf("certain: %t, want %t", e.FailsForEveryPod(), certain)
			}
		})
	}
	_, err := Current(nil).Compile("a", "\n{{ x }}", Source{}, Limits{})
	if want := `template "a" line 2: function "x" not defined`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// Whatever a template does, its execution ends, soon and in little memory.
func TestLimits(t *testing.T) {
	limits := Limits{Output: 1000, Steps: 1000, Depth: 10}
	for name, tc := range map[string]struct{ text, want string }{
		"output":               {`{{ range until 500 }}abc{{ end }}`, "exceeds the limit on output, 1000 bytes"},
		"rounds":               {`{{ range until 10000 }}{{ end }}`, `exceeds the limit on loop rounds and template calls, 1000, in "sidecar" line 1`},
		"rounds of a number":   {`{{ range 1000000000 }}{{ end }}`, "exceeds the limit on loop rounds"},
		"nested rounds":        {`{{ range until 100 }}{{ range until 100 }}{{ range until 100 }}{{ continue }}{{ end }}{{ end }}{{ end }}`, "exceeds the limit on loop rounds"},
		"recursion":            {`{{ define "x" }}{{ template "x" }}{{ end }}{{ template "x" }}`, `exceeds the limit on nested template calls, 10, in "x" line 1`},
		"doubling calls":       {doublings(), "exceeds the limit on loop rounds and template calls"},
		"until":                {`{{ until 1000000000 }}`, "counts more than 10000"},
		"until below":          {`{{ until -1000000000 }}`, "counts more than 10000"},
		"untilStep":            {`{{ untilStep -9223372036854775807 9223372036854775807 1 }}`, "counts more than 10000"},
		"seq":                  {`{{ seq 1 1 1000000000 }}`, "counts more than 10000"},
		"repeat":               {`{{ repeat 1000000000 "x" }}`, "larger than"},
		"repeat below":         {`{{ repeat -1 "x" }}`, "invalid count -1"},
		"nindent":              {`{{ nindent 1000000000 "x" }}`, "larger than"},
		"indent":               {`{{ indent 1000000000 "x\ny" }}`, "larger than"},
		"indent below":         {`{{ indent -1 "x\ny" }}`, "invalid width -1"},
		"nindent below":        {`{{ nindent -1 "x\ny" }}`, "invalid width -1"},
		"width":                {`{{ printf "%1000000000d" 1 }}`, "a width in"},
		"precision":            {`{{ printf "%.1000000000f" 1.0 }}`, "a width in"},
		"width of arguments":   {`{{ printf "%*d" 1000000000 1 }}`, "takes a width from its arguments"},
		"verbs":                {`{{ $x := repeat 400000 "x" }}{{ printf (repeat 400 "%[1]s") $x }}`, "could be larger than"},
		"doubled string":       {`{{ $x := "abcdefgh" }}{{ range until 40 }}{{ $x = print $x $x }}{{ end }}`, "larger than"},
		"doubled by printf":    {`{{ $x := "abcdefgh" }}{{ range until 40 }}{{ $x = printf "%s%s" $x $x }}{{ end }}`, "larger than"},
		"doubled by cat":       {`{{ $x := "abcdefgh" }}{{ range until 40 }}{{ $x = cat $x $x }}{{ end }}`, "larger than"},
		"doubled by quote":     {`{{ $x := "\"" }}{{ range until 40 }}{{ $x = quote $x }}{{ end }}`, "larger than"},
		"doubled by join":      {`{{ $x := "ab" }}{{ range until 40 }}{{ $x = join $x (list $x $x $x) }}{{ end }}`, "larger than"},
		"doubled list":         {`{{ $x := list 1 2 3 }}{{ range until 40 }}{{ $x = concat $x $x }}{{ end }}`, "larger than"},
		"tree of lists":        {`{{ $x := list 1 }}{{ range until 40 }}{{ $x = list $x $x }}{{ end }}{{ print $x }}`, "larger than"},
		"deep list":            {`{{ $x := list 1 }}{{ range until 400 }}{{ $x = list $x }}{{ end }}{{ print $x }}`, "nested more than 100 deep"},
		"map in itself":        {`{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ print $d }}`, "nested more than 100 deep"},
		"map in itself, unset": {`{{ $d := dict }}{{ $e := dict "d" $d }}{{ $_ := set $d "e" $e }}{{ toYaml $d }}`, "nested more than 100 deep"},
		"replace":              {`{{ $x := repeat 10000 "x" }}{{ replace "x" $x $x }}`, "larger than"},
		"regex":                {`{{ $x := repeat 10000 "x" }}{{ regexReplaceAll "x" $x $x }}`, "larger than"},
		"regex expansion":      {`{{ $x := repeat 10000 "x" }}{{ regexReplaceAll "x+" $x (repeat 10000 "$0") }}`, "larger than"},
		"long regex":           {`{{ regexMatch (repeat 5000 "x") "x" }}`, "longer than 4096"},
		"repeated regex":       {`{{ mustRegexMatch "((a{100}){100}){100}" "x" }}`, "invalid repeat count"},
		"wrap":                 {`{{ wrapWith 1 (repeat 100000 "x") (repeat 10000 "y ") }}`, "larger than"},
		"comparing":            {`{{ uniq (splitList "," (repeat 3000 "a,")) }}`, "more than the 2000 items"},
		"pods in a list":       {`{{ $x := list .Spec }}{{ range until 900 }}{{ $x = concat $x (list $.Spec $.Spec $.Spec $.Spec $.Spec $.Spec $.Spec $.Spec) }}{{ end }}`, "larger than"},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			out, err := compile(t, Current(nil), tc.text, limits).Execute(data())
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
	limits := Limits{Time: time.Second, Now: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(300 * time.Millisecond)
		return now
	}}
	_, err := compile(t, Current(nil), "\n{{ range until 1000 }}{{ end }}", limits).Execute(data())
	var limit *LimitError
	if !errors.As(err, &limit) || limit.What != "time" || !strings.Contains(err.Error(), `exceeds the limit on time, 1s, in "sidecar" line 2`) {
		t.Errorf("got %v", err)
	}
}

// An empty string that a template prints is not taken for a marker.
func TestEmptyOutput(t *testing.T) {
	out, err := compile(t, Current(nil), `{{ range until 3 }}{{ "" }}{{ print "" }}{{ else }}x{{ end }}{{ range until 0 }}{{ else }}none{{ end }}`, Limits{}).Execute(data())
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
		if got := compile(t, Current(nil), text, Limits{}).Mutates(); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestConcurrentExecution(t *testing.T) {
	tmpl := compile(t, Current(nil), `{{ range until 20 }}{{ template "x" $ }}{{ end }}{{ define "x" }}{{ .Revision }}{{ join "," (list 1 2) }};{{ end }}`, Limits{})
	want := strings.Repeat("r1,2;", 20)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				if out, err := tmpl.Execute(data()); err != nil || string(out) != want {
					t.Errorf("got %q, %v", out, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// The same template with the same data gives the same text: there is no clock
// and no chance, and the order of maps does not show.
func TestSameInputSameOutput(t *testing.T) {
	tmpl := compile(t, Current(nil), `{{ $d := dict "z" 1 "y" 2 "x" 3 "w" 4 "v" 5 }}{{ keys $d }}{{ values $d }}{{ toJson $d }}{{ $d }}{{ toYaml $d }}{{ pluck "z" $d $d }}{{ protoToJSON .MeshConfig }}`, Limits{})
	first, err := tmpl.Execute(data())
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if again, err := tmpl.Execute(data()); err != nil || string(again) != string(first) {
			t.Fatalf("got %s, %v\nthen %s", first, err, again)
		}
	}
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
	limits := Limits{Output: 1 << 16, Steps: 2000, Depth: 20, Time: time.Second}
	language := Current(nil)
	f.Fuzz(func(t *testing.T, text string) {
		tmpl, err := language.Compile("sidecar", text, Source{File: "f", Line: 3}, limits)
		if err != nil {
			return
		}
		out, err := tmpl.Execute(data())
		if len(out) > limits.Output || out != nil && err != nil {
			t.Fatalf("%d bytes, %v", len(out), err)
		}
	})
}
