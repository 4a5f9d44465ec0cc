package inject_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/proxy"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/status"
)

// reading is a template that reads annotations of its own, and sets one of them.
const reading = `metadata:
  annotations:
    example.com/mode: {{ index .ObjectMeta.Annotations "example.com/mode" | default "plain" | quote }}
spec:
  containers:
  - name: istio-proxy
    image: {{ annotation .ObjectMeta "sidecar.istio.io/proxyImage" "proxy" | quote }}
    args: [{{ index .ObjectMeta.Annotations "example.com/args" | quote }}]
    env:
    - name: DEFAULT
      value: {{ index .ObjectMeta.Annotations "kubectl.kubernetes.io/default-container" | quote }}
`

// Which annotations of a pod are refused under which list.
func TestAllowedAnnotations(t *testing.T) {
	for name, tc := range map[string]struct{ list, annotation, refused string }{
		"no list":                          {"", "sidecar.istio.io/proxyImage", ""},
		"an empty list":                    {"allowedAnnotations: []\n", "sidecar.istio.io/proxyImage", "sidecar.istio.io/proxyImage"},
		"a name":                           {"allowedAnnotations: [sidecar.istio.io/proxyImage]\n", "sidecar.istio.io/proxyImage", ""},
		"another name":                     {"allowedAnnotations: [sidecar.istio.io/proxyImage]\n", "sidecar.istio.io/proxyCPU", "sidecar.istio.io/proxyCPU"},
		"a beginning":                      {"allowedAnnotations: [sidecar.istio.io/*]\n", "sidecar.istio.io/proxyCPU", ""},
		"a beginning that does not fit":    {"allowedAnnotations: [sidecar.istio.io/proxyI*]\n", "sidecar.istio.io/proxyCPU", "sidecar.istio.io/proxyCPU"},
		"one that a template alone names":  {"allowedAnnotations: []\n", "example.com/args", "example.com/args"},
		"one that nobody reads":            {"allowedAnnotations: []\n", "example.com/other", ""},
		"one of Kubernetes":                {"allowedAnnotations: []\n", "kubectl.kubernetes.io/default-container", ""},
		"one that the engine reads":        {"allowedAnnotations: []\n", "sidecar.istio.io/nativeSidecar", "sidecar.istio.io/nativeSidecar"},
		"the list of templates":            {"allowedAnnotations: []\n", "inject.istio.io/templates", "inject.istio.io/templates"},
		"the proxy's configuration":        {"allowedAnnotations: []\n", "proxy.istio.io/config", "proxy.istio.io/config"},
		"the one that asks for injection":  {"allowedAnnotations: []\n", decide.InjectKey, ""},
		"what the template sets otherwise": {"allowedAnnotations: []\n", "example.com/mode", "example.com/mode"},
	} {
		s := of(t, tc.list+sidecar(reading), "", "", inject.Options{})
		res := s.Inject(t.Context(), inject.Request{Object: object(t, app(map[string]string{tc.annotation: "true"}))})
		if tc.annotation == "inject.istio.io/templates" {
			res = s.Inject(t.Context(), inject.Request{Object: object(t, app(map[string]string{tc.annotation: "sidecar"}))})
		}
		switch {
		case tc.refused == "" && res.Decision.Outcome != decide.Inject && res.Decision.Code != decide.InvalidAnnotation:
			t.Errorf("%s: %s", name, res.Decision.Message)
		case tc.refused != "" && (res.Decision.Code != decide.NotAllowed || !strings.HasPrefix(res.Decision.Message, "annotation "+tc.refused+": ")):
			t.Errorf("%s: %s %s, want a refusal that names %s", name, res.Decision.Code, res.Decision.Message, tc.refused)
		}
	}
}

// An injected pod that comes again is injected, and one that only says that it has
// been injected gains nothing by it.
func TestASayingToBeInjectedAllowsNothing(t *testing.T) {
	const lists = "allowedAnnotations: []\nallowedOverrides: []\ninjectedAnnotations: {sidecar.istio.io/logLevel: info}\n"
	s := of(t, lists+sidecar(reading), "", "", inject.Options{})
	once := done(t, s, app(nil))
	if twice := done(t, s, once); len(twice.Spec.Containers) != 2 || twice.Annotations["example.com/mode"] != "plain" {
		t.Errorf("injected twice: %+v", twice)
	}
	for name, tc := range map[string]struct {
		change func(*corev1.Pod)
		want   string
	}{
		"a default of the API server": {func(p *corev1.Pod) { proxy.Find(&p.Spec).TerminationMessagePath = "/dev/termination-log" }, ""},
		"the service account's mount": {func(p *corev1.Pod) {
			proxy.Find(&p.Spec).VolumeMounts = []corev1.VolumeMount{{Name: "kube-api-access-x", MountPath: "/var/run/secrets/kubernetes.io/serviceaccount"}}
		}, ""},
		"an annotation of another value": {func(p *corev1.Pod) { p.Annotations["example.com/mode"] = "own" }, "annotation example.com/mode: "},
		"an annotation of one's own":     {func(p *corev1.Pod) { p.Annotations["example.com/args"] = "own" }, "annotation example.com/args: "},
		"a command":                      {func(p *corev1.Pod) { proxy.Find(&p.Spec).Command = []string{"sh"} }, "has command"},
		"a variable":                     {func(p *corev1.Pod) { proxy.AddEnv(proxy.Find(&p.Spec), "OWN", "1") }, "has env"},
		"a mount": {func(p *corev1.Pod) {
			proxy.Find(&p.Spec).VolumeMounts = []corev1.VolumeMount{{Name: "own", MountPath: "/etc"}}
		}, "has volumeMounts"},
		"a hook": {func(p *corev1.Pod) {
			proxy.Find(&p.Spec).Lifecycle = &corev1.Lifecycle{PostStart: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"sh"}}}}
		}, "has lifecycle"},
		"privileges": {func(p *corev1.Pod) {
			yes := true
			proxy.Find(&p.Spec).SecurityContext = &corev1.SecurityContext{Privileged: &yes}
		}, "has securityContext"},
		"a status that does not name it": {func(p *corev1.Pod) { p.Annotations[status.Key] = "{}" }, "remove it from the pod, or give it another name"},
		"overrides": {func(p *corev1.Pod) {
			p.Annotations[status.OverridesKey] = `{"containers":[{"name":"istio-proxy","image":"own"}]}`
		}, "proxy.istio.io/overrides"},
		"a container among the init containers": {func(p *corev1.Pod) {
			p.Spec.InitContainers, p.Spec.Containers = p.Spec.Containers[1:], p.Spec.Containers[:1]
			p.Annotations[status.Key] = "{}"
		}, "remove it from the pod, or give it another name"},
	} {
		pod := once.DeepCopy()
		tc.change(pod)
		res := s.Inject(t.Context(), inject.Request{Object: object(t, pod)})
		switch {
		case tc.want == "" && res.Decision.Outcome != decide.Inject:
			t.Errorf("%s: %s", name, res.Decision.Message)
		case tc.want != "" && (res.Decision.Code != decide.NotAllowed || !strings.Contains(res.Decision.Message, tc.want)):
			t.Errorf("%s: %s %s, want a refusal with %q", name, res.Decision.Code, res.Decision.Message, tc.want)
		}
	}
}

func TestAllowedOverrides(t *testing.T) {
	declared := app(nil)
	declared.Spec.Containers = append(declared.Spec.Containers, corev1.Container{Name: proxy.Name, Image: "auto", Env: []corev1.EnvVar{{Name: "OWN", Value: "1"}}})
	for list, allowed := range map[string]bool{
		"":                                  true,
		"allowedOverrides: [istio-*]\n":     true,
		"allowedOverrides: [istio-proxy]\n": true,
		"allowedOverrides: [other]\n":       false,
		"allowedOverrides: []\n":            false,
	} {
		res := of(t, list+sidecar(reading), "", "", inject.Options{}).Inject(t.Context(), inject.Request{Object: object(t, declared)})
		if got := res.Decision.Outcome == decide.Inject; got != allowed || !got && res.Decision.Code != decide.NotAllowed {
			t.Errorf("%q: %s %s", list, res.Decision.Code, res.Decision.Message)
		}
	}
}

// In the classic dialect an annotation counts just the same, and one that the
// configuration itself sets does not on a pod that comes again.
func TestAllowedAnnotationsInTheClassicDialect(t *testing.T) {
	const text = "policy: enabled\nallowedAnnotations: []\ninjectedAnnotations: {example.com/args: own}\ntemplate: |\n  containers:\n  - name: istio-proxy\n    image: \"[[ annotation .ObjectMeta `example.com/args` `none` ]]\"\n"
	s := of(t, text, "", "", inject.Options{})
	if res := s.Inject(t.Context(), inject.Request{Object: object(t, app(map[string]string{"example.com/args": "own"}))}); res.Decision.Code != decide.NotAllowed {
		t.Errorf("%s %s", res.Decision.Code, res.Decision.Message)
	}
	pod := done(t, s, app(nil))
	if pod.ObjectMeta.Annotations["example.com/args"] != "own" {
		t.Fatalf("annotations %v", pod.Annotations)
	}
	done(t, s, &corev1.Pod{TypeMeta: pod.TypeMeta, ObjectMeta: *pod.ObjectMeta.DeepCopy(), Spec: pod.Spec})
}
