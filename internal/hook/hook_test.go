package hook_test

import (
	"context"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/yaml"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/hook"
)

const base = `
name: sidecar-injector.istio.io
rules: [{operations: [CREATE], apiGroups: [""], apiVersions: [v1], resources: [pods]}]
`

func TestMatch(t *testing.T) {
	m := hook.NewMatcher()
	enabled := map[string]string{"istio-injection": "enabled"}
	for _, tc := range []struct {
		name, webhook, pod string
		labels             map[string]string
		called             bool
		says               string // by the last step
	}{
		{"asks for nothing", base, `{}`, nil, true, "asks for nothing"},
		{"namespace has it", base + `namespaceSelector: {matchLabels: {istio-injection: enabled}}`, `{}`, enabled, true, ""},
		{"namespace lacks it", base + `namespaceSelector: {matchLabels: {istio-injection: enabled}}`, `{}`, nil, false, `asks for istio-injection=enabled, namespace "shop" does not have that label`},
		{"namespace has another", base + `namespaceSelector: {matchLabels: {istio-injection: disabled}}`, `{}`, enabled, false, `namespace "shop" has istio-injection=enabled`},
		{"namespace by name", base + `namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [shop]}]}`, `{}`, nil, false, `has kubernetes.io/metadata.name=shop`},
		{"object selector", base + `objectSelector: {matchLabels: {a: b}}`, `{"metadata":{"labels":{"a":"b"}}}`, nil, true, "the pod has what it asks for: a=b"},
		{"object selector fails", base + `objectSelector: {matchLabels: {a: b}}`, `{"metadata":{"labels":{"a":"c"}}}`, nil, false, "the pod has a=c"},
		{"other rules", strings.Replace(base, "pods", "services", 1), `{}`, nil, false, "the creation of pods is not among them"},
		{"cluster scope", strings.Replace(base, "resources: [pods]", "resources: ['*'], scope: Cluster", 1), `{}`, nil, false, "not among them"},
		{"all rules", strings.NewReplacer("CREATE", "'*'", `""`, "'*'", "v1]", "'*']", "pods", "'*/*'").Replace(base), `{}`, nil, true, ""},
		{"condition holds", base + `matchConditions: [{name: c, expression: "!has(object.spec.hostNetwork)"}]`, `{"spec":{}}`, nil, true, "is true"},
		{"condition fails", base + `matchConditions: [{name: c, expression: "!object.spec.hostNetwork"}]`, `{"spec":{"hostNetwork":true}}`, nil, false, "is false: !object.spec.hostNetwork"},
		{"condition on the request", base + `matchConditions: [{name: c, expression: "request.namespace == 'shop' && request.operation == 'CREATE'"}]`, `{}`, nil, true, "is true"},
		{"condition errs", base + `matchConditions: [{name: c, expression: "object.spec.none == 1"}]`, `{"spec":{}}`, nil, false, "cannot be evaluated, so the pod is refused: "},
		{"condition errs, ignored", base + `matchConditions: [{name: c, expression: "object.spec.none == 1"}]` + "\nfailurePolicy: Ignore\n", `{"spec":{}}`, nil, false, "cannot be evaluated, so the webhook is passed by: "},
		{"condition does not compile", base + `matchConditions: [{name: c, expression: "1 +"}]`, `{"spec":{}}`, nil, false, "cannot be evaluated"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := new(admissionv1.MutatingWebhook)
			text := tc.webhook
			if err := yaml.Unmarshal([]byte(text), w); err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			v, err := m.Match(context.Background(), w, hook.Namespace{Name: "shop", Labels: tc.labels}, []byte(tc.pod))
			if err != nil {
				t.Fatal(err)
			}
			if v.Called != tc.called {
				t.Errorf("called %t, steps %+v", v.Called, v.Steps)
			}
			found := ""
			for _, s := range v.Steps {
				found += s.Detail + "\n"
			}
			if !strings.Contains(found, tc.says) {
				t.Errorf("steps %s, want %s", found, tc.says)
			}
		})
	}
	bad := &admissionv1.MutatingWebhook{}
	if err := yaml.Unmarshal([]byte("name: w\nobjectSelector: {matchExpressions: [{key: a, operator: Maybe}]}"), bad); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Match(context.Background(), bad, hook.Namespace{}, []byte(`{}`)); err == nil || !strings.Contains(err.Error(), `webhook "w": objectSelector`) {
		t.Errorf("got %v", err)
	}
	if _, err := m.Match(context.Background(), bad, hook.Namespace{}, []byte(`{`)); err == nil {
		t.Error("a pod that is not JSON is accepted")
	}
}
