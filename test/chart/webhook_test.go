package chart

import (
	"context"
	"slices"
	"strconv"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	"k8s.io/apiserver/pkg/cel/environment"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
)

// oldest is the first Kubernetes that Chart.yaml allows.
var oldest = version.MajorMinor(1, 29)

func webhookOf(t testing.TB, objects []*object) admissionv1.MutatingWebhook {
	t.Helper()
	c := into[admissionv1.MutatingWebhookConfiguration](t, one(t, objects, "MutatingWebhookConfiguration", ""))
	if len(c.Webhooks) != 1 {
		t.Fatalf("%d webhooks, want 1", len(c.Webhooks))
	}
	return c.Webhooks[0]
}

func TestWebhook(t *testing.T) {
	w := webhookOf(t, install{}.render(t))
	if w.Name != "sidecar-injector.istio.io" || *w.ClientConfig.Service.Path != "/inject" || *w.FailurePolicy != admissionv1.Fail ||
		*w.ReinvocationPolicy != admissionv1.IfNeededReinvocationPolicy || *w.SideEffects != admissionv1.SideEffectClassNone ||
		!slices.Equal(w.AdmissionReviewVersions, []string{"v1", "v1beta1"}) {
		t.Errorf("webhook %+v", w)
	}
}

// The API server, the Service, the certificate and the server must mean the same
// port and the same names.
func TestTheWayToTheServer(t *testing.T) {
	eachInstall(t, func(t *testing.T, _ install, objects []*object) {
		call := webhookOf(t, objects).ClientConfig.Service
		s := into[corev1.Service](t, service(t, objects))
		if call.Name != s.Name || call.Namespace != s.Namespace || *call.Port != s.Spec.Ports[0].Port {
			t.Errorf("webhook calls %s/%s:%d, the Service is %s/%s:%d", call.Namespace, call.Name, *call.Port, s.Namespace, s.Name, s.Spec.Ports[0].Port)
		}
		d := into[appsv1.Deployment](t, one(t, objects, "Deployment", ""))
		if !labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(d.Spec.Template.Labels)) {
			t.Errorf("selector %v does not select pods %v", s.Spec.Selector, d.Spec.Template.Labels)
		}
		server := d.Spec.Template.Spec.Containers[0]
		flags := flagsOf(t, server)
		ports := map[string]string{"https-webhook": flags["port"], "http-monitoring": flags["monitoringPort"]}
		for _, p := range server.Ports {
			if want := ports[p.Name]; want != strconv.Itoa(int(p.ContainerPort)) {
				t.Errorf("port %s is %d, the server is told %s", p.Name, p.ContainerPort, want)
			}
			delete(ports, p.Name)
		}
		if len(ports) > 0 {
			t.Errorf("ports %v are not declared", ports)
		}
		for _, c := range d.Spec.Template.Spec.InitContainers {
			boot := flagsOf(t, c)
			if boot["service"] != s.Name || boot["namespace"] != s.Namespace || boot["namespace"]+"/"+boot["secret"] != flags["certSecret"] {
				t.Errorf("init container makes a certificate for %s.%s in %s, the server follows %s", boot["service"], boot["namespace"], boot["secret"], flags["certSecret"])
			}
		}
	})
}

// calls evaluates the webhook as an API server does: selectors, then match
// conditions, with Kubernetes' own code.
func calls(t testing.TB, w admissionv1.MutatingWebhook, namespace map[string]string, pod *corev1.Pod) bool {
	t.Helper()
	bySelectors := true
	for what, labels := range map[string]map[string]string{"namespace": namespace, "object": pod.Labels} {
		selector := w.NamespaceSelector
		if what == "object" {
			selector = w.ObjectSelector
		}
		if selector == nil {
			continue
		}
		bySelectors = bySelectors && matches(t, selector, labels)
	}
	var conditions []cel.ExpressionAccessor
	for _, c := range w.MatchConditions {
		conditions = append(conditions, &matchconditions.MatchCondition{Name: c.Name, Expression: c.Expression})
	}
	// The rules that an API server has for a new object, which are the strictest.
	compiler := cel.NewConditionCompiler(environment.MustBaseEnvSet(oldest))
	compiled := compiler.CompileCondition(conditions, cel.OptionalVariableDeclarations{HasAuthorizer: true}, environment.NewExpressions)
	if errs := compiled.CompilationErrors(); len(errs) > 0 {
		t.Fatalf("match conditions: %v", errs)
	}
	matcher := matchconditions.NewMatcher(compiled, w.FailurePolicy, "webhook", "admit", w.Name)
	kind := corev1.SchemeGroupVersion.WithKind("Pod")
	pod.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}
	attributes := admission.NewAttributesRecord(pod, nil, kind, pod.Namespace, pod.Name, schema.GroupVersionResource{Version: "v1", Resource: "pods"}, "", admission.Create, &metav1.CreateOptions{}, false, nil)
	result := matcher.Match(context.Background(), &admission.VersionedAttributes{Attributes: attributes, VersionedKind: kind, VersionedObject: admission.NewLazyObject(pod)}, nil, nil)
	if result.Error != nil {
		t.Fatalf("match conditions: %v", result.Error)
	}
	return bySelectors && result.Matches
}

func matches(t testing.TB, selector *metav1.LabelSelector, set map[string]string) bool {
	t.Helper()
	s, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		t.Fatal(err)
	}
	return s.Matches(labels.Set(set))
}

func TestWhichNamespacesAreCalledFor(t *testing.T) {
	named := func(name string, more ...string) map[string]string {
		l := map[string]string{"kubernetes.io/metadata.name": name}
		for i := 0; i < len(more); i += 2 {
			l[more[i]] = more[i+1]
		}
		return l
	}
	byDefault := install{set: []string{"enableNamespacesByDefault=true"}}
	canary := install{set: []string{"revision=canary"}}
	for _, c := range []struct {
		name      string
		in        install
		namespace map[string]string
		want      bool
	}{
		{"unlabelled", install{}, named("shop"), false},
		{"enabled", install{}, named("shop", "istio-injection", "enabled"), true},
		{"disabled", install{}, named("shop", "istio-injection", "disabled"), false},
		{"of a revision", install{}, named("shop", "istio.io/rev", "canary"), false},
		{"of both", install{}, named("shop", "istio-injection", "enabled", "istio.io/rev", "canary"), true},
		{"kube-system", install{}, named("kube-system", "istio-injection", "enabled"), false},
		{"kube-node-lease", install{}, named("kube-node-lease", "istio-injection", "enabled"), false},
		{"own", install{}, named(defaultNamespace, "istio-injection", "enabled"), false},
		{"own, elsewhere", install{namespace: "elsewhere"}, named("elsewhere", "istio-injection", "enabled"), false},
		{"excluded", install{set: []string{"webhook.excludedNamespaces={monitoring}"}}, named("monitoring", "istio-injection", "enabled"), false},

		{"by default: unlabelled", byDefault, named("shop"), true},
		{"by default: disabled", byDefault, named("shop", "istio-injection", "disabled"), false},
		{"by default: of a revision", byDefault, named("shop", "istio.io/rev", "canary"), false},
		{"by default: kube-system", byDefault, named("kube-system"), false},
		{"by default: own", byDefault, named(defaultNamespace), false},

		{"revision: its own", canary, named("shop", "istio.io/rev", "canary"), true},
		{"revision: another", canary, named("shop", "istio.io/rev", "blue"), false},
		{"revision: enabled", canary, named("shop", "istio-injection", "enabled"), false},
		{"revision: both labels belong to the default", canary, named("shop", "istio-injection", "enabled", "istio.io/rev", "canary"), false},
		{"revision: own namespace", canary, named(defaultNamespace, "istio.io/rev", "canary"), false},
		{"revision default is none", install{set: []string{"revision=default"}}, named("shop", "istio-injection", "enabled"), true},

		{"selector of one's own", install{set: []string{"webhook.namespaceSelector.matchLabels.team=a"}}, named("shop", "team", "a"), true},
		{"selector of one's own, no match", install{set: []string{"webhook.namespaceSelector.matchLabels.team=a"}}, named("shop", "istio-injection", "enabled"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := calls(t, webhookOf(t, c.in.render(t)), c.namespace, &corev1.Pod{}); got != c.want {
				t.Errorf("called %t, want %t", got, c.want)
			}
		})
	}
}

func TestWhichPodsAreCalledFor(t *testing.T) {
	const inject = "sidecar.istio.io/inject"
	pod := func(hostNetwork bool, labels, annotations map[string]string) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Labels: labels, Annotations: annotations}, Spec: corev1.PodSpec{HostNetwork: hostNetwork}}
	}
	says := func(value string) map[string]string { return map[string]string{inject: value} }
	enabled := map[string]string{"istio-injection": "enabled"}
	for _, c := range []struct {
		name string
		set  []string
		pod  *corev1.Pod
		want bool
	}{
		{"plain", nil, pod(false, nil, nil), true},
		{"with other labels", nil, pod(false, map[string]string{"app": "a"}, map[string]string{"b": "c"}), true},
		{"host network", nil, pod(true, nil, nil), false},
		{"host network that asks by label gets a warning", nil, pod(true, says("true"), nil), true},
		{"host network that asks by annotation gets a warning", nil, pod(true, nil, says("true")), true},
		{"host network that declines", nil, pod(true, says("false"), nil), false},
		{"host network, looked at", []string{"webhook.skipHostNetwork=false"}, pod(true, nil, nil), true},
		{"declined by label", nil, pod(false, says("false"), nil), false},
		{"declined by annotation", nil, pod(false, nil, says("false")), false},
		{"the label beats the annotation: yes", nil, pod(false, says("true"), says("false")), true},
		{"the label beats the annotation: no", nil, pod(false, says("false"), says("true")), false},
		{"a label with another value beats the annotation, too", nil, pod(false, says("maybe"), says("false")), true},
		{"an empty label beats the annotation, too", nil, pod(false, says(""), says("false")), true},
		{"a value that is none is for the injector to judge", nil, pod(false, says("no"), says("")), true},
		{"declined, looked at", []string{"webhook.skipDeclined=false"}, pod(false, says("false"), says("false")), true},
		{"an injector", nil, pod(false, map[string]string{"istio": "sidecar-injector"}, nil), false},
		{"an injector, whatever is looked at", []string{"webhook.skipDeclined=false", "webhook.skipHostNetwork=false"}, pod(true, map[string]string{"istio": "sidecar-injector"}, nil), false},
		{"object selector", []string{"webhook.objectSelector.matchLabels.inject=me"}, pod(false, nil, nil), false},
		{"condition of one's own", []string{"webhook.matchConditions[0].name=mine", "webhook.matchConditions[0].expression=object.metadata.name != 'p'"}, pod(false, nil, nil), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := calls(t, webhookOf(t, install{set: c.set}.render(t)), enabled, c.pod); got != c.want {
				t.Errorf("called %t, want %t", got, c.want)
			}
		})
	}
}

// Match conditions keep out only pods that the injector would not inject, whatever
// label and annotation say, and under any policy. They may be called for others.
func TestMatchConditionsAgreeWithTheDecision(t *testing.T) {
	const inject = "sidecar.istio.io/inject"
	w := webhookOf(t, install{}.render(t))
	enabled := map[string]string{"istio-injection": "enabled"}
	absent := "(absent)"
	says := func(value string) map[string]string {
		if value == absent {
			return map[string]string{"app": "shop"}
		}
		return map[string]string{inject: value}
	}
	values := []string{absent, "", "true", "false", "True", "False", "maybe", "yes", "no", " false"}
	keptOut := 0
	for _, dialect := range []decide.Settings{{}, {Enabled: true}, {Classic: true}, {Classic: true, Enabled: true}} {
		rules, err := decide.NewRules(dialect)
		if err != nil {
			t.Fatal(err)
		}
		for _, hostNetwork := range []bool{false, true} {
			for _, label := range values {
				for _, annotation := range values {
					pod := &corev1.Pod{
						ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Labels: says(label), Annotations: says(annotation)},
						Spec:       corev1.PodSpec{HostNetwork: hostNetwork},
					}
					if calls(t, w, enabled, pod) {
						continue
					}
					keptOut++
					d := decide.Pod(rules, decide.Input{Namespace: "shop", HostNetwork: hostNetwork, Labels: pod.Labels, Annotations: pod.Annotations})
					// The classic dialect knows no label; the chart lets pods decline by it
					// in either dialect.
					if byLabel := dialect.Classic && label == "false"; d.Outcome == decide.Inject && !byLabel {
						t.Errorf("classic %t, policy enabled %t, host network %t, label %q, annotation %q: kept out, but the injector says %s",
							dialect.Classic, dialect.Enabled, hostNetwork, label, annotation, d.Code)
					}
				}
			}
		}
	}
	if keptOut == 0 {
		t.Error("nothing is kept out")
	}
}

// Every installation's conditions compile, its own and the added ones.
func TestMatchConditionsCompile(t *testing.T) {
	eachInstall(t, func(t *testing.T, _ install, objects []*object) {
		w := webhookOf(t, objects)
		if len(w.MatchConditions) > 64 {
			t.Errorf("%d match conditions, the API server allows 64", len(w.MatchConditions))
		}
		calls(t, w, nil, &corev1.Pod{}) // fails the test when they do not
	})
}

// The injector's own pods: nobody's webhook may be asked about them.
func TestOwnPodsAreNotCalledFor(t *testing.T) {
	eachInstall(t, func(t *testing.T, _ install, objects []*object) {
		others := webhookOf(t, install{release: "another", namespace: "another", set: []string{"enableNamespacesByDefault=true"}}.render(t))
		for _, p := range podsOf(t, objects) {
			for _, w := range []admissionv1.MutatingWebhook{webhookOf(t, objects), others} {
				if calls(t, w, map[string]string{"kubernetes.io/metadata.name": defaultNamespace}, &corev1.Pod{ObjectMeta: p.meta, Spec: p.spec}) {
					t.Errorf("%s: the webhook %s is called", p.owner.id(), w.ClientConfig.Service.Name)
				}
			}
		}
	})
}
