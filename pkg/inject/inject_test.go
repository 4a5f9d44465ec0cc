package inject_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render"
)

// defect fails a test in which a template is not evaluated as it should be, though
// its result is right.
func defect(t testing.TB) func(string, error) {
	return func(template string, err error) { t.Errorf("template %s: a defect: %v", template, err) }
}

// of compiles a configuration that is written out.
func of(t testing.TB, text, mesh, values string, o inject.Options) *inject.Snapshot {
	t.Helper()
	cfg, err := config.Parse(config.Sources{
		Inject: config.Source{Name: "config.yaml", Data: []byte(text)},
		Mesh:   config.Source{Name: "mesh.yaml", Data: []byte(mesh)},
		Values: config.Source{Name: "values.yaml", Data: []byte(values)},
	})
	if err != nil {
		t.Fatal(err)
	}
	o.OnDefect = defect(t)
	s, err := inject.Compile(cfg, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sidecar is a configuration with one template.
func sidecar(template string) string {
	return "policy: enabled\ntemplates:\n  sidecar: |\n    " + strings.ReplaceAll(template, "\n", "\n    ") + "\n"
}

const proxyTemplate = `spec:
  containers:
  - name: istio-proxy
    image: {{ .ProxyImage | quote }}`

func object(t testing.TB, pod *corev1.Pod) []byte {
	t.Helper()
	text, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func app(annotations map[string]string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Annotations: annotations},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app"}}},
	}
}

func TestRefusals(t *testing.T) {
	s := of(t, sidecar(proxyTemplate)+`  fails: |
    a: {{ fail "no luck" }}
  list: |
    - a
  wrong: |
    spec: {containers: {a: b}}
  endless: |
    {{ range 1000000000 }}{{ end }}
  emptied: |
    spec:
      containers:
      {{- range list }}
      - {}
      {{- end }}
  deletes: |
    spec: {containers: [{name: app, $patch: delete}]}
aliases: {gone: [nothing]}
`, "", "", inject.Options{})
	text := func(pod *corev1.Pod) string { return string(object(t, pod)) }
	with := func(k, v string) string { return text(app(map[string]string{k: v})) }
	for name, tc := range map[string]struct {
		object string
		code   decide.Code
		want   string
	}{
		"not JSON":         {"{", decide.BadRequest, "the object is not JSON"},
		"empty":            {"", decide.BadRequest, "the object is not JSON"},
		"null":             {" null", decide.PodInvalid, "the object is not a pod: it is null"},
		"another kind":     {`{"kind": "Service"}`, decide.BadRequest, `the object is a "Service", must be a Pod`},
		"no pod":           {`{"spec": {"containers": 5}}`, decide.PodInvalid, "the object is not a pod: json: cannot unmarshal"},
		"annotation":       {with("sidecar.istio.io/interceptionMode", "x"), decide.InvalidAnnotation, "must be REDIRECT, TPROXY or NONE"},
		"proxy config":     {with("proxy.istio.io/config", "concurrency: x"), decide.InvalidAnnotation, "annotation proxy.istio.io/config:1:14: concurrency: found"},
		"overrides":        {with("proxy.istio.io/overrides", "x"), decide.InvalidAnnotation, "annotation proxy.istio.io/overrides: not readable"},
		"scrape targets":   {with("prometheus.istio.io/scrape-targets", "15020"), decide.InvalidAnnotation, "annotation prometheus.istio.io/scrape-targets"},
		"unknown template": {with("inject.istio.io/templates", "sidecar, other"), decide.UnknownTemplate, `annotation inject.istio.io/templates: there is no template named "other"; known are deletes, emptied, endless, fails, list, sidecar, wrong, gone`},
		"alias of nothing": {with("inject.istio.io/templates", "gone"), decide.UnknownTemplate, `there is no template named "nothing"`},
		"template":         {with("inject.istio.io/templates", "fails"), decide.TemplateError, `config.yaml:9:11: template "fails" at fail: the template refuses the pod: no luck`},
		"limit":            {with("inject.istio.io/templates", "endless"), decide.TemplateError, `exceeds the limit on loop rounds`},
		"no pod rendered":  {with("inject.istio.io/templates", "list"), decide.MergeError, `template "list" renders what is not part of a pod`},
		"wrong field":      {with("inject.istio.io/templates", "wrong"), decide.MergeError, "containers"},
		"no containers":    {with("inject.istio.io/templates", "sidecar,emptied"), decide.MergeError, `template "emptied" removes every container of the pod`},
		"all deleted":      {with("inject.istio.io/templates", "deletes"), decide.MergeError, `template "deletes" removes every container of the pod`},
	} {
		t.Run(name, func(t *testing.T) {
			res := s.Inject(t.Context(), inject.Request{Object: []byte(tc.object), Namespace: "shop", Trace: true})
			d := res.Decision
			if d.Code != tc.code || d.Outcome != decide.Refuse || !strings.Contains(d.Message, tc.want) {
				t.Errorf("%s: %s\nwant %s: %s", d.Code, d.Message, tc.code, tc.want)
			}
			if res.Err == nil || res.Patch != nil || res.Pod != nil || res.Namespace != "shop" {
				t.Errorf("result %+v", res)
			}
			if len(d.Trace) > 0 && d.Trace[len(d.Trace)-1].Check != string(tc.code) {
				t.Errorf("trace %v", d.Trace)
			}
		})
	}
}

// A bug in the engine refuses the pod; it does not take the server down.
// A template may take away what another puts back, and a pod whose only
// container is the proxy has none left once that has become a native sidecar.
func TestContainersThatComeBack(t *testing.T) {
	s := of(t, sidecar(proxyTemplate)+`  emptied: |
    spec: {containers: null}
  native: |
    spec:
      initContainers: [{name: istio-proxy, image: proxy, restartPolicy: Always}]
      containers: []
`, "", "", inject.Options{})
	back := app(map[string]string{"inject.istio.io/templates": "emptied,sidecar"})
	only := app(map[string]string{"inject.istio.io/templates": "native", "sidecar.istio.io/nativeSidecar": "true"})
	only.Spec.Containers[0] = corev1.Container{Name: "istio-proxy", Image: "auto"}
	for name, pod := range map[string]*corev1.Pod{"put back": back, "only the proxy": only} {
		res := s.Inject(t.Context(), inject.Request{Object: object(t, pod)})
		if res.Decision.Outcome != decide.Inject {
			t.Errorf("%s: %s: %s", name, res.Decision.Code, res.Decision.Message)
		}
	}
}

func TestContainersThatAreRemoved(t *testing.T) {
	s := of(t, sidecar(proxyTemplate+`
  initContainers:
  {{- if isset .ObjectMeta.Annotations "init" }}
  - {name: istio-init, image: init}
  {{- end }}`), "", "", inject.Options{})
	for name, tc := range map[string]struct {
		annotations map[string]string
		want        []string
	}{
		"a list without an item": {nil, []string{"template sidecar removes containers of the pod: setup"}},
		"a list with one":        {map[string]string{"init": ""}, nil},
	} {
		pod := app(tc.annotations)
		pod.Spec.InitContainers = []corev1.Container{{Name: "setup", Image: "setup"}}
		res := s.Inject(t.Context(), inject.Request{Object: object(t, pod)})
		if res.Decision.Outcome != decide.Inject || !slices.Equal(res.Warnings, tc.want) {
			t.Errorf("%s: %s, warnings %q, want %q", name, res.Decision.Message, res.Warnings, tc.want)
		}
	}
}

func TestPanicsAreRefusals(t *testing.T) {
	s := of(t, sidecar(proxyTemplate), "", "", inject.Options{Cluster: brokenCluster{}})
	res := s.Inject(t.Context(), inject.Request{Object: object(t, app(nil)), Namespace: "shop", Trace: true})
	var p *inject.PanicError
	if res.Decision.Code != decide.Internal || res.Decision.Outcome != decide.Refuse || !errors.As(res.Err, &p) || len(p.Stack) == 0 {
		t.Errorf("decided %+v, %v", res.Decision, res.Err)
	}
	if res.Patch != nil || res.Pod != nil || res.Name != "web" {
		t.Errorf("result %+v", res)
	}
	if found := s.Judge(t.Context()); !errors.As(found.Err(), &p) {
		t.Errorf("judged: %v", found.Err())
	}
}

type brokenCluster struct{ inject.Cluster }

func (brokenCluster) NativeSidecars(string) bool { panic("broken") }

func TestCompileErrors(t *testing.T) {
	cfg, err := config.Parse(config.Sources{Inject: config.Source{Name: "config.yaml", Data: []byte("policy: enabled\ntemplates:\n  sidecar: '{{ now }}'\n  b: |\n    a\n    {{ if }}\n")}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = inject.Compile(cfg, inject.Options{})
	want := "config.yaml:3:16: template \"sidecar\": function \"now\" not defined: templates have no clock, randomness, keys, network or environment, so that one pod gives the same result always\nconfig.yaml:6:5: template \"b\" at {{ if }}: missing value for if"
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	if _, err := inject.Compile(cfg, inject.Options{Platform: "moon"}); err == nil || !strings.Contains(err.Error(), `platform: invalid value "moon", must be "openshift" or empty`) {
		t.Errorf("platform: %v", err)
	}
	bad := *cfg
	bad.NeverInject = []metav1.LabelSelector{{MatchExpressions: []metav1.LabelSelectorRequirement{{Operator: "x"}}}}
	if _, err := inject.Compile(&bad, inject.Options{}); err == nil || !strings.Contains(err.Error(), "neverInjectSelector[0]") {
		t.Errorf("selector: %v", err)
	}
}

func TestSnapshotSaysWhatItIs(t *testing.T) {
	s := compiled(t, "current.yaml", "", inject.Options{})
	if s.Dialect() != config.Current || strings.Join(s.TemplateNames(), ",") != "files,sidecar" || len(s.Hash()) != 64 || len(s.TemplateHash("files")) != 64 || s.StatusPort() != 15020 || s.Options().Revision != "default" || s.Config().Policy != config.PolicyEnabled {
		t.Errorf("dialect %s, templates %v, hash %s", s.Dialect(), s.TemplateNames(), s.Hash())
	}
	if c := compiled(t, "classic.yaml", "", inject.Options{}); c.Dialect() != config.Classic || strings.Join(c.TemplateNames(), ",") != "template" || c.StatusPort() != 0 {
		t.Errorf("classic: %s, %v", c.Dialect(), c.TemplateNames())
	}
}

func TestTraceTellsWhatIsInjected(t *testing.T) {
	s := compiled(t, "current.yaml", "", inject.Options{})
	pod := app(map[string]string{"sidecar.istio.io/nativeSidecar": "true", "inject.istio.io/templates": "everything"})
	pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: "istio-proxy", Image: "auto"})
	tail := func(s *inject.Snapshot, in []byte) string {
		res := s.Inject(t.Context(), inject.Request{Object: in, Trace: true})
		var out []string
		for _, step := range res.Decision.Trace[len(res.Decision.Trace)-min(len(res.Decision.Trace), 20):] {
			out = append(out, step.Check+": "+step.Detail)
		}
		_, after, _ := strings.Cut(strings.Join(out, "\n"), "policy: enabled\n")
		return after
	}
	want := `templates: sidecar, files (annotation inject.istio.io/templates)
annotation sidecar.istio.io/status: not set: the pod has not been injected before
native sidecars: on (annotation sidecar.istio.io/nativeSidecar)
container app: declared by the user too: what the user sets goes before the template
container istio-proxy: declared by the user too: what the user sets goes before the template
injected init containers: istio-init, istio-proxy
injected containers: app
injected volumes: files, istio-envoy, istio-data
injected image pull secrets: mesh-registry`
	in := object(t, pod)
	if got := tail(s, in); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	again := applied(t, in, s.Inject(t.Context(), inject.Request{Object: in}).Patch)
	if got := tail(s, again); !strings.Contains(got, "annotation sidecar.istio.io/status: the pod has been injected before, that is replaced: istio-init, istio-proxy, app") {
		t.Errorf("again: %s", got)
	}
	c := compiled(t, "classic.yaml", "", inject.Options{})
	if got := tail(c, object(t, app(nil))); !strings.Contains(got, "injected containers: istio-proxy\n") || !strings.Contains(got, "not been injected before") {
		t.Errorf("classic: %s", got)
	}
	if res := s.Inject(t.Context(), inject.Request{Object: in}); res.Decision.Trace != nil {
		t.Errorf("a trace that nobody asked for: %v", res.Decision.Trace)
	}
}

// What a template gives that a newer API may know reaches the pod, once.
func TestUnknownFieldsOfTemplates(t *testing.T) {
	s := of(t, sidecar("spec:\n  newPolicy: {mode: x}\n  containers:\n  - name: istio-proxy\n    image: p\n    newField: 7\n  - name: app\n    newField: 8\n"), "", "", inject.Options{})
	in := []byte(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[{"name":"app","image":"i"}]}}`)
	out := applied(t, in, s.Inject(t.Context(), inject.Request{Object: in}).Patch)
	for _, want := range []string{`"newPolicy":{"mode":"x"}`, `"newField":7`, `"newField":8`} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%s is missing: %s", want, out)
		}
	}
	if again := s.Inject(t.Context(), inject.Request{Object: out}); again.Patch != nil {
		t.Errorf("injected twice is not injected once: %s", again.Patch)
	}
}

func TestOwners(t *testing.T) {
	yes, no := true, false
	ref := func(version, kind, name string, controller *bool) []metav1.OwnerReference {
		return []metav1.OwnerReference{{APIVersion: "x/v1", Kind: "Other", Name: "other", Controller: &no}, {APIVersion: version, Kind: kind, Name: name, Controller: controller}}
	}
	for name, tc := range map[string]struct {
		meta metav1.ObjectMeta
		want string
	}{
		"alone":                 {metav1.ObjectMeta{Name: "a"}, "v1 Pod a"},
		"no generateName":       {metav1.ObjectMeta{Name: "a", OwnerReferences: ref("apps/v1", "ReplicaSet", "web-1", &yes)}, "v1 Pod a"},
		"no controller":         {metav1.ObjectMeta{Name: "a", GenerateName: "g", OwnerReferences: ref("apps/v1", "ReplicaSet", "web-1", nil)}, "v1 Pod a"},
		"Deployment":            {metav1.ObjectMeta{GenerateName: "g", Labels: map[string]string{"pod-template-hash": "1"}, OwnerReferences: ref("apps/v1", "ReplicaSet", "web-1", &yes)}, "apps/v1 Deployment web"},
		"ReplicaSet":            {metav1.ObjectMeta{GenerateName: "g", Labels: map[string]string{"pod-template-hash": "2"}, OwnerReferences: ref("apps/v1", "ReplicaSet", "web-1", &yes)}, "apps/v1 ReplicaSet web-1"},
		"Rollout":               {metav1.ObjectMeta{GenerateName: "g", Labels: map[string]string{"rollouts-pod-template-hash": "1", "pod-template-hash": "1"}, OwnerReferences: ref("apps/v1", "ReplicaSet", "web-1", &yes)}, "v1alpha1 Rollout web"},
		"DeploymentConfig":      {metav1.ObjectMeta{GenerateName: "g", Labels: map[string]string{"deploymentconfig": "dc"}, OwnerReferences: ref("v1", "ReplicationController", "dc-1", &yes)}, "v1 DeploymentConfig dc"},
		"ReplicationController": {metav1.ObjectMeta{GenerateName: "g", OwnerReferences: ref("v1", "ReplicationController", "rc", &yes)}, "v1 ReplicationController rc"},
		"CronJob":               {metav1.ObjectMeta{GenerateName: "g", OwnerReferences: ref("batch/v1", "Job", "night-28123456", &yes)}, "batch/v1 CronJob night"},
		"Job, short number":     {metav1.ObjectMeta{GenerateName: "g", OwnerReferences: ref("batch/v1", "Job", "night-1234567", &yes)}, "batch/v1 Job night-1234567"},
		"Job, long number":      {metav1.ObjectMeta{GenerateName: "g", OwnerReferences: ref("batch/v1", "Job", "night-12345678901", &yes)}, "batch/v1 Job night-12345678901"},
		"Job, no number":        {metav1.ObjectMeta{GenerateName: "g", OwnerReferences: ref("batch/v1", "Job", "night-abcdefgh", &yes)}, "batch/v1 Job night-abcdefgh"},
		"StatefulSet":           {metav1.ObjectMeta{GenerateName: "g", OwnerReferences: ref("apps/v1", "StatefulSet", "db", &yes)}, "apps/v1 StatefulSet db"},
	} {
		pod := app(nil)
		pod.ObjectMeta = tc.meta
		res := compiled(t, "current.yaml", "", inject.Options{}).Inject(t.Context(), inject.Request{Object: object(t, pod), Namespace: "shop"})
		o := res.Workload
		if got := o.TypeMeta.APIVersion + " " + o.TypeMeta.Kind + " " + o.ObjectMeta.Name; got != tc.want || o.ObjectMeta.Namespace != "shop" {
			t.Errorf("%s: %s in %s, want %s", name, got, o.ObjectMeta.Namespace, tc.want)
		}
	}
	given := inject.Owner{TypeMeta: metav1.TypeMeta{Kind: "Deployment"}, ObjectMeta: metav1.ObjectMeta{Name: "given"}}
	res := compiled(t, "current.yaml", "", inject.Options{}).Inject(t.Context(), inject.Request{Object: object(t, app(nil)), Owner: &given})
	if res.Pod.Labels["example.com/owner"] != "given" || res.Pod.Labels["example.com/kind"] != "deployment" {
		t.Errorf("labels %v", res.Pod.Labels)
	}
}

func TestProxyImage(t *testing.T) {
	const values = `{"global": {"hub": "h", "tag": "1.30-distroless", "variant": "VARIANT", "proxy": {"image": "IMAGE"}}}`
	for _, tc := range []struct{ variant, image, config, annotation, want string }{
		{"", "", "", "", "h/proxyv2:1.30-distroless"},
		{"", "own", "", "", "h/own:1.30-distroless"},
		{"debug", "", "", "", "h/proxyv2:1.30-debug"},
		{"debug", "", "image: {imageType: default}", "", "h/proxyv2:1.30"},
		{"debug", "", "image: {imageType: distroless}", "", "h/proxyv2:1.30-distroless"},
		{"debug", "", "image: {imageType: distroless}", "special", "h/proxyv2:1.30-special"},
	} {
		s := of(t, sidecar(proxyTemplate), "", strings.NewReplacer("VARIANT", tc.variant, "IMAGE", tc.image).Replace(values), inject.Options{})
		annotations := map[string]string{}
		if tc.config != "" {
			annotations["proxy.istio.io/config"] = tc.config
		}
		if tc.annotation != "" {
			annotations["sidecar.istio.io/proxyImageType"] = tc.annotation
		}
		res := s.Inject(t.Context(), inject.Request{Object: object(t, app(annotations))})
		if got := res.Pod.Spec.Containers[1].Image; got != tc.want {
			t.Errorf("%+v: got %s", tc, got)
		}
	}
	if res := of(t, sidecar(proxyTemplate), "", "global: {hub: h, tag: 1.5}", inject.Options{}).Inject(t.Context(), inject.Request{Object: object(t, app(nil))}); res.Pod.Spec.Containers[1].Image != "h/proxyv2:1.5" {
		t.Errorf("a tag that is a number: %s", res.Pod.Spec.Containers[1].Image)
	}
}

// What one request's template changes, no other request sees.
func TestTemplatesCannotChangeTheSnapshot(t *testing.T) {
	s := of(t, sidecar(`{{ $_ := set .Values.global "seen" (add1 (.Values.global.seen | default 0)) }}{{ $_ := unset .Values "gone" }}metadata:
  labels:
    seen: {{ .Values.global.seen | quote }}
    gone: {{ hasKey .Values "gone" | quote }}`), "", `{"global": {"hub": "h"}, "gone": 1}`, inject.Options{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				res := s.Inject(t.Context(), inject.Request{Object: object(t, app(nil))})
				if res.Err != nil || res.Pod.Labels["seen"] != "1" || res.Pod.Labels["gone"] != "false" {
					t.Errorf("%v, labels %v", res.Err, res.Pod)
					return
				}
			}
		})
	}
	wg.Wait()
	if fmt.Sprint(s.Config().Values) != "map[global:map[hub:h] gone:1]" {
		t.Errorf("values %v", s.Config().Values)
	}
}

func TestEnvironmentIsWhatIsGiven(t *testing.T) {
	t.Setenv("SECRET", "x")
	s := of(t, sidecar(`metadata: {labels: {a: '{{ env "SECRET" "none" }}', b: '{{ env "GIVEN" "none" }}'}}`), "", "", inject.Options{Env: map[string]string{"GIVEN": "y"}})
	res := s.Inject(t.Context(), inject.Request{Object: object(t, app(nil))})
	if res.Pod.Labels["a"] != "none" || res.Pod.Labels["b"] != "y" {
		t.Errorf("labels %v", res.Pod.Labels)
	}
}

func TestPathAndNetwork(t *testing.T) {
	s := compiled(t, "current.yaml", "", inject.Options{})
	value := func(pod *corev1.Pod, name string) string {
		for _, c := range pod.Spec.Containers {
			for _, e := range c.Env {
				if c.Name == "istio-proxy" && e.Name == name {
					return e.Value
				}
			}
		}
		return ""
	}
	for _, tc := range []struct{ path, label, cluster, network string }{
		{"/inject", "", "east", "net-1"},
		{"/inject/cluster/west/net/a--slash--b", "", "west", "a/b"},
		{"/inject/net/n2", "own", "east", "own"},
	} {
		pod := app(nil)
		if tc.label != "" {
			pod.Labels = map[string]string{"topology.istio.io/network": tc.label}
		}
		res := s.Inject(t.Context(), inject.Request{Object: object(t, pod), Path: tc.path})
		if value(res.Pod, "ISTIO_META_CLUSTER_ID") != tc.cluster || value(res.Pod, "ISTIO_META_NETWORK") != tc.network || res.Pod.Labels["topology.istio.io/network"] != tc.network {
			t.Errorf("%+v: cluster %s, network %s, labels %v", tc, value(res.Pod, "ISTIO_META_CLUSTER_ID"), value(res.Pod, "ISTIO_META_NETWORK"), res.Pod.Labels)
		}
	}
	pod := app(nil)
	pod.Labels = map[string]string{"topology.istio.io/network": ""}
	if res := s.Inject(t.Context(), inject.Request{Object: object(t, pod)}); value(res.Pod, "ISTIO_META_NETWORK") != "" || res.Pod.Labels["topology.istio.io/network"] != "" {
		t.Errorf("an empty label: network %s, labels %v", value(res.Pod, "ISTIO_META_NETWORK"), res.Pod.Labels)
	}
}

func TestPodSecurityWarnings(t *testing.T) {
	const privileged = `spec:
  initContainers:
  - name: istio-init
    image: i
    securityContext: {capabilities: {add: [NET_ADMIN]}}
  containers:
  - name: istio-proxy
    image: p`
	level := func(l string) map[string]string {
		return map[string]string{"pod-security.kubernetes.io/enforce": l, "pod-security.kubernetes.io/enforce-version": "v1.30"}
	}
	for name, tc := range map[string]struct {
		labels map[string]string
		want   string
	}{
		"none":       {nil, ""},
		"odd":        {level("odd"), ""},
		"privileged": {level("privileged"), ""},
		"baseline":   {level("baseline"), "the namespace's pod security level baseline refuses what is injected: non-default capabilities"},
	} {
		s := of(t, sidecar(privileged), "", "", inject.Options{Cluster: cluster{labels: tc.labels}})
		res := s.Inject(t.Context(), inject.Request{Object: object(t, app(nil)), Namespace: "shop"})
		if got := strings.Join(res.Warnings, "; "); got != tc.want {
			t.Errorf("%s: %q", name, got)
		}
	}
	// What the pod itself breaks is not our doing.
	pod := app(nil)
	pod.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"NET_ADMIN"}}}
	s := of(t, sidecar(privileged), "", "", inject.Options{Cluster: cluster{labels: level("baseline")}})
	if res := s.Inject(t.Context(), inject.Request{Object: object(t, pod)}); len(res.Warnings) != 0 {
		t.Errorf("warnings %q", res.Warnings)
	}
}

func TestWarningsOfTheDecision(t *testing.T) {
	s := compiled(t, "current.yaml", "", inject.Options{})
	pod := app(map[string]string{"sidecar.istio.io/inject": "true"})
	pod.Spec.HostNetwork = true
	res := s.Inject(t.Context(), inject.Request{Object: object(t, pod)})
	if res.Decision.Code != decide.HostNetwork || res.Patch != nil || res.Pod != nil || len(res.Warnings) != 1 || !strings.Contains(res.Warnings[0], "hostNetwork") {
		t.Errorf("%+v", res)
	}
}

func TestUninjectErrors(t *testing.T) {
	s := compiled(t, "current.yaml", "", inject.Options{})
	for name, tc := range map[string]struct{ object, want string }{
		"not JSON":  {"{", "not JSON"},
		"status":    {string(object(t, app(map[string]string{"sidecar.istio.io/status": "odd"}))), "annotation sidecar.istio.io/status: not readable"},
		"overrides": {string(object(t, app(map[string]string{"sidecar.istio.io/status": `{"containers":["istio-proxy"]}`, "proxy.istio.io/overrides": "odd"}))), "annotation proxy.istio.io/overrides"},
		"config":    {string(object(t, app(map[string]string{"sidecar.istio.io/status": `{"containers":["istio-proxy"]}`, "proxy.istio.io/config": "[]"}))), "annotation proxy.istio.io/config"},
	} {
		if patch, err := s.Uninject(t.Context(), []byte(tc.object)); err == nil || patch != nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %s, %v", name, patch, err)
		}
	}
	classic := compiled(t, "classic.yaml", "", inject.Options{})
	old := app(map[string]string{"sidecar.istio.io/status": "version-1"})
	old.Spec.Containers = append(old.Spec.Containers, corev1.Container{Name: "istio-proxy"})
	before := object(t, old)
	patch, err := classic.Uninject(t.Context(), before)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "a pod of the first injectors, uninjected,", object(t, app(nil)), applied(t, before, patch))
}

// A pod template in a manifest has no owner of its own, and no namespace.
func TestUninjectFor(t *testing.T) {
	for name, s := range lawSnapshots(t) {
		pod := app(map[string]string{"a": "b"})
		pod.Name = ""
		req := inject.Request{
			Object: object(t, pod), Namespace: "shop", Path: "/inject/net/other",
			Owner: &inject.Owner{TypeMeta: metav1.TypeMeta{Kind: "Deployment", APIVersion: "apps/v1"}, ObjectMeta: metav1.ObjectMeta{Name: "web"}},
		}
		before := req.Object
		req.Object = applied(t, before, s.Inject(t.Context(), req).Patch)
		patch, err := s.UninjectFor(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		same(t, name+": the original and the uninjected pod", before, applied(t, req.Object, patch))
	}
}

func TestSetLimits(t *testing.T) {
	cfg, err := config.Parse(config.Sources{Inject: config.Source{Name: "c", Data: []byte(sidecar(`{{ range 100 }}{{ end }}`))}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := inject.CompileWithLimits(cfg, inject.Options{}, render.Limits{Steps: 10})
	if err != nil {
		t.Fatal(err)
	}
	if res := s.Inject(t.Context(), inject.Request{Object: object(t, app(nil))}); res.Decision.Code != decide.TemplateError || !strings.Contains(res.Decision.Message, "template calls, 10") {
		t.Errorf("%+v", res.Decision)
	}
}

// Many goroutines use one snapshot.
func TestConcurrentInjection(t *testing.T) {
	for name, s := range lawSnapshots(t) {
		var wg sync.WaitGroup
		for worker := range 4 {
			wg.Go(func() {
				for seed := range 25 {
					g := newGenerator(uint64(seed % 5))
					in := object(t, g.pod())
					a, b := s.Inject(t.Context(), inject.Request{Object: in}), s.Inject(t.Context(), inject.Request{Object: in})
					if string(a.Patch) != string(b.Patch) || a.Err != nil {
						t.Errorf("%s, worker %d, seed %d: %v", name, worker, seed, a.Err)
						return
					}
				}
			})
		}
		wg.Wait()
	}
}
