package inject_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

// What a pod may hold, it may hold; one more is refused with a sentence that says
// what, how many and how many are too many. A pod that is not to be injected may hold
// it all the same.
func TestBounds(t *testing.T) {
	numbered := func(n int, format string) string {
		return joined(n, func(i int) string { return fmt.Sprintf(format, i) })
	}
	annotated := func(key, value string) string {
		return podOf(fmt.Sprintf("%q:%q", key, value), `"containers":[{"name":"app"}]`)
	}
	nested := func(n int) string {
		return podOf("", `"containers":[{"name":"app"}],"unknown":`+strings.Repeat("[", n)+strings.Repeat("]", n))
	}
	for name, tc := range map[string]struct {
		most int
		pod  func(n int) string
		says string
	}{
		"containers": {200, func(n int) string { return podOf("", `"containers":[`+numbered(n, `{"name":"c%d"}`)+`]`) }, "containers"},
		"containers of all kinds": {200, func(n int) string {
			return podOf("", `"containers":[{"name":"app"}],"ephemeralContainers":[{"name":"e"}],"initContainers":[`+numbered(n-2, `{"name":"c%d"}`)+`]`)
		}, "init containers"},
		"volumes": {2_000, func(n int) string {
			return podOf("", `"containers":[{"name":"app"}],"volumes":[`+numbered(n, `{"name":"v%d"}`)+`]`)
		}, "volumes"},
		"variables": {20_000, func(n int) string {
			return podOf("", `"containers":[{"name":"a","env":[{"name":"A"}]},{"name":"b","envFrom":[{}],"env":[`+numbered(n-2, `{"name":"E%d"}`)+`]}]`)
		}, "environment variables"},
		"mounts": {20_000, func(n int) string {
			return podOf("", `"containers":[{"name":"app","volumeMounts":[`+numbered(n, `{"name":"v","mountPath":"/%d"}`)+`]}]`)
		}, "volume mounts"},
		"ports": {10_000, func(n int) string {
			return podOf("", `"containers":[{"name":"app","ports":[`+numbered(n, `{"containerPort":%d}`)+`]}]`)
		}, "container ports"},
		"labels": {1_000, func(n int) string {
			return `{"metadata":{"labels":{` + numbered(n, `"l%d":""`) + `}},"spec":{"containers":[{"name":"app"}]}}`
		}, "labels"},
		"owners": {100, func(n int) string {
			return `{"metadata":{"ownerReferences":[` + repeated(n, "{}") + `]},"spec":{"containers":[{"name":"app"}]}}`
		}, "owner references"},
		"bytes of annotations": {256 << 10, func(n int) string { return annotated("a", strings.Repeat("x", n-1)) }, "bytes of annotations"},
		"items": {65_536, func(n int) string {
			return podOf("", `"containers":[{"name":"app"}],"tolerations":[`+repeated(n-1, "{}")+`]`)
		}, "items in the lists"},
		"values": {250_000, func(n int) string {
			return podOf("", `"containers":[{"name":"app"}],"unknown":{`+numbered((n-17)/2, `"%d":0`)+`}`)
		}, "names and values"},
		"nesting": {98, nested, "within each other"},
		"length of the JSON": {7 << 19, func(n int) string {
			e := podOf("", `"containers":[{"name":"app","image":""}]`)
			return podOf("", `"containers":[{"name":"app","image":"`+strings.Repeat("x", n-len(e))+`"}]`)
		}, "bytes of JSON"},
		"templates":           {16, func(n int) string { return annotated("inject.istio.io/templates", repeated(n, "sidecar")) }, "templates"},
		"length of templates": {4 << 10, func(n int) string { return annotated("inject.istio.io/templates", "sidecar"+strings.Repeat(" ", n-7)) }, "bytes long"},
		"length of a proxy configuration": {64 << 10, func(n int) string {
			return annotated("proxy.istio.io/config", "#"+strings.Repeat(" ", n-1))
		}, "bytes long"},
		"values of a proxy configuration": {3_999, func(n int) string {
			// The mapping itself, the name and the value make three.
			return annotated("proxy.istio.io/config", "proxyMetadata: {"+numbered((n-3)/2, "A%d: b")+"}")
		}, "4000 keys and values"},
		"length of a list": {64 << 10, func(n int) string {
			return annotated("traffic.sidecar.istio.io/excludeOutboundPorts", "1"+strings.Repeat(" ", n-1))
		}, "bytes long"},
		"length of a quantity": {64, func(n int) string { return annotated("sidecar.istio.io/proxyCPU", strings.Repeat("0", n-1)+"1") }, "may have 64 bytes"},
		"names in the status": {4_400, func(n int) string {
			return annotated("sidecar.istio.io/status", `{"containers":[`+numbered(n-1, `"c%d"`)+`],"volumes":["v"]}`)
		}, "at most 4400"},
		"containers in the overrides": {200, func(n int) string {
			return annotated("proxy.istio.io/overrides", `{"initContainers":[{"name":"i"}],"containers":[`+numbered(n-1, `{"name":"c%d"}`)+`]}`)
		}, "at most 200"},
		"values of the overrides": {19_998, func(n int) string {
			return annotated("proxy.istio.io/overrides", `{"containers":[{"name":"c","args":[`+repeated(n-7, `"a"`)+`]}]}`)
		}, "at most 20000"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := of(t, "policy: enabled\ndefaultTemplates: [sidecar]\ntemplates:\n  sidecar: |\n    spec: {containers: [{name: istio-proxy}]}\n", "", "", inject.Options{})
			ask := func(pod string) inject.Result {
				return s.Inject(t.Context(), inject.Request{Object: []byte(pod), Namespace: "shop"})
			}
			if res := ask(tc.pod(tc.most)); res.Decision.Outcome != decide.Inject {
				t.Errorf("%d of them: %s: %s", tc.most, res.Decision.Code, res.Decision.Message)
			}
			beyond := tc.pod(tc.most + 3)
			res := ask(beyond)
			if m := res.Decision.Message; res.Decision.Code != decide.LimitExceeded || res.Decision.Outcome != decide.Refuse || !strings.Contains(m, tc.says) || len(m) > 1_000 {
				t.Errorf("more than %d of them: %s: %s", tc.most, res.Decision.Code, m)
			}
			for _, no := range []string{`"hostNetwork":true`, `"hostNetwork":false,"hostNetwork":true`} {
				if res := ask(strings.TrimSuffix(beyond, "}}") + "," + no + "}}"); res.Decision.Code != decide.HostNetwork {
					t.Errorf("not to be injected: %s: %s", res.Decision.Code, res.Decision.Message)
				}
			}
		})
	}
}

// Neither a refusal nor leaving a pod alone costs the memory that its structs would
// take: 400 MB for these.
func TestLargePodsAreNotDecoded(t *testing.T) {
	const containers = 1_000_000
	s := lawSnapshots(t)["current"]
	for name, tc := range map[string]struct {
		metadata string
		want     decide.Code
	}{
		"refused":   {"{}", decide.LimitExceeded},
		"let alone": {`{"labels":{"sidecar.istio.io/inject":"false"}}`, decide.LabelFalse},
	} {
		object := []byte(`{"spec":{"containers":[` + repeated(containers, "{}") + `]},"metadata":` + tc.metadata + `}`)
		var res inject.Result
		if got := allocated(func() { res = s.Inject(t.Context(), inject.Request{Object: object}) }); got > 1<<20 {
			t.Errorf("%s: %d bytes for %d of JSON", name, got, len(object))
		}
		if res.Decision.Code != tc.want {
			t.Errorf("%s: %s: %s", name, res.Decision.Code, res.Decision.Message)
		}
	}
}

// The outline of a large pod leads to the same decision as the pod itself.
func TestDecisionByTheOutline(t *testing.T) {
	config := "policy: enabled\nneverInjectSelector:\n- matchLabels: {batch: \"yes\"}\n- matchExpressions: [{key: tier, operator: DoesNotExist}]\ndefaultTemplates: [sidecar]\ntemplates:\n  sidecar: |\n    spec: {containers: [{name: istio-proxy}]}\n"
	s := of(t, config, "", "", inject.Options{})
	for _, head := range []string{
		`"metadata":{"labels":{"tier":"x"}}`, `"metadata":{"labels":{"tier":"x","batch":"yes"}}`, `"metadata":{}`, `"metadata":null`, `"kind":"Service"`,
		`"metadata":{"labels":{"tier":null,"sidecar.istio.io/inject":"false"}}`, `"metadata":{"annotations":{"sidecar.istio.io/inject":"false"},"name":"n","namespace":"kube-system"}`,
		`"metadata":{"labels":{"tier":"x"}},"metadata":{"labels":{"batch":"yes"}}`, `"metadata":{"labels":5}`, `"metadata":{"labels":{"batch":"\u0079es","tier":"\ud800"}}`, `"metadata":[]`,
		`"metadata":{"generateName":"g-","labels":{"tier":"","other":"x"}},"unknown":{"a":[{}]}`,
	} {
		spec := func(args int) []byte {
			return []byte(`{` + head + `,"spec":{"containers":[{"name":"app","args":[` + repeated(args, `"a"`) + `]}]}}`)
		}
		small := s.Inject(t.Context(), inject.Request{Object: spec(1), Namespace: "shop"})
		large := s.Inject(t.Context(), inject.Request{Object: spec(9_000), Namespace: "shop"})
		if small.Decision.Code != large.Decision.Code && large.Decision.Outcome != decide.Skip || small.Name != large.Name || small.Namespace != large.Namespace {
			t.Errorf("%s: %s (%s) in %s/%s, in a large pod %s (%s) in %s/%s", head, small.Decision.Code, small.Decision.Message, small.Namespace, small.Name, large.Decision.Code, large.Decision.Message, large.Namespace, large.Name)
		}
	}
}

// A quantity that would keep its library busy for minutes is refused, wherever it
// stands and however it is written.
func TestQuantitiesAreBounded(t *testing.T) {
	classic := of(t, "policy: enabled\ntemplate: |\n  containers:\n  - name: istio-proxy\n    resources: {limits: {cpu: \"[[ index .ObjectMeta.Annotations `cpu` ]]\"}}\n", "", "", inject.Options{})
	current := of(t, sidecar("spec:\n  containers:\n  - name: istio-proxy\n    resources: {limits: {cpu: \"{{ index .ObjectMeta.Annotations `cpu` }}\"}}"), "", "", inject.Options{})
	for dialect, s := range map[string]*inject.Snapshot{"current": current, "classic": classic} {
		for _, quantity := range []string{`1e-1000000000`, `1e1000000000`, strings.Repeat("9", 700_000), `1.00000000000000000000e1000000000`} {
			quoted := `"` + quantity + `"`
			annotation := quoted
			if len(quantity) > 64<<10 {
				annotation = `"` + quantity[:64<<10-1] + `"` // else the annotations are too long together
			}
			for name, pod := range map[string]string{
				"resources":        podOf(`"cpu":"1"`, `"containers":[{"name":"app","resources":{"limits":{"cpu":`+quoted+`}}}]`),
				"a number":         podOf(`"cpu":"1"`, `"containers":[{"name":"app","resources":{"requests":{"cpu":`+quantity+`}}}]`),
				"ambiguous":        podOf(`"cpu":"1"`, `"a":1,"a":2,"containers":[{"name":"app","resources":{"limits":{"cpu":`+quoted+`}}}]`),
				"a size":           podOf(`"cpu":"1"`, `"containers":[{"name":"app"}],"volumes":[{"name":"v","emptyDir":{"sizeLimit":`+quoted+`}}]`),
				"a large pod":      podOf(`"cpu":"1"`, `"containers":[{"name":"app","args":[`+repeated(9_000, `"a"`)+`],"resources":{"limits":{"cpu":`+quoted+`}}}]`),
				"with blanks":      podOf(`"cpu":"1"`, `"a":1,"a":2,"overhead":{"cpu":" `+quantity+` "},"containers":[{"name":"app"}]`),
				"in an annotation": podOf(`"cpu":"1","sidecar.istio.io/proxyCPU":`+annotation, `"containers":[{"name":"app"}]`),
			} {
				res := s.Inject(t.Context(), inject.Request{Object: []byte(pod)})
				if m := res.Decision.Message; res.Decision.Code != decide.LimitExceeded || !strings.Contains(m, "quantity") || len(m) > 1_000 {
					t.Errorf("%s, %s, %.20s: %s: %s", dialect, name, quantity, res.Decision.Code, m)
				}
			}
			if len(quantity) > 1000 {
				continue
			}
			for name, text := range map[string]string{"rendered": quantity, "rendered with an escape": strings.ReplaceAll(quantity, "e", `\\x65`), "breaks out": `1\", memory: '` + quantity + `', x: \"1`} {
				res := s.Inject(t.Context(), inject.Request{Object: []byte(podOf(`"cpu":"`+text+`"`, `"containers":[{"name":"app"}]`))})
				if m := res.Decision.Message; res.Decision.Outcome != decide.Refuse || !strings.Contains(m, "quantity") || len(m) > 1_000 {
					t.Errorf("%s, %s, %.20s: %s: %s", dialect, name, quantity, res.Decision.Code, m)
				}
			}
		}
	}
}

// Whatever a pod says, what is said about it is short, valid and of one line.
func TestWhatIsSaidIsCut(t *testing.T) {
	long := strings.Repeat(`x\n\u2028\u0000é`, 30_000)
	annotated := func(key string) string { return podOf(`"`+key+`":"`+long+`"`, `"containers":[{"name":"app"}]`) }
	pods := map[string]string{
		"kind":       `{"kind":"` + long + `"}`,
		"names":      `{"metadata":{"name":"` + long + `","namespace":"` + long + `","generateName":"a","ownerReferences":[{"controller":true,"kind":"` + long + `","name":"` + long + `","apiVersion":"` + long + `"}]},"spec":{"containers":[{"name":"` + long + `"}]}}`,
		"a number":   podOf("", `"priority":`+strings.Repeat("9", 100_000)),
		"not a list": podOf("", `"containers":"`+long+`"`),
		"not JSON":   podOf("", long),
		"inject":     annotated(decide.InjectKey),
		"status":     podOf(`"sidecar.istio.io/status":"{\"containers\":[\"`+strings.ReplaceAll(long, `\`, `\\`)+`\"]}"`, `"containers":[{"name":"`+long+`"},{"name":"app"}]`),
		"a template": podOf(`"inject.istio.io/templates":"`+strings.Repeat(`x\n`, 1_000)+`"`, ""),
	}
	for _, key := range []string{
		"sidecar.istio.io/proxyCPU", "sidecar.istio.io/interceptionMode", "traffic.sidecar.istio.io/excludeOutboundIPRanges", "traffic.sidecar.istio.io/excludeInboundPorts",
		"traffic.sidecar.istio.io/excludeInterfaces", "prometheus.istio.io/scrape-targets", "proxy.istio.io/config", "proxy.istio.io/overrides", "inject.istio.io/templates", "sidecar.istio.io/proxyImageType",
	} {
		pods[key] = annotated(key)
		pods["shorter "+key] = strings.ReplaceAll(annotated(key), long, long[:len(long)/20/15*15])
	}
	for dialect, s := range lawSnapshots(t) {
		for name, pod := range pods {
			for _, trace := range []bool{false, true} {
				res := s.Inject(t.Context(), inject.Request{Object: []byte(pod), Trace: trace})
				texts := append([]string{res.Decision.Message, res.Name, res.Namespace, res.Workload.TypeMeta.Kind, res.Workload.ObjectMeta.Name, strings.Join(res.Templates, ",")}, res.Warnings...)
				for _, step := range res.Decision.Trace {
					texts = append(texts, step.Check, step.Detail)
				}
				for _, text := range texts {
					if len(text) > 1_000 || !utf8.ValidString(text) || strings.ContainsAny(text, "\n\r\x00\u2028") {
						t.Errorf("%s, %s: %d bytes: %.2000q", dialect, name, len(text), text)
					}
				}
			}
		}
	}
}
