package inject_test

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/proxy"
)

// done injects a pod and returns the result.
func done(t *testing.T, s *inject.Snapshot, pod *corev1.Pod, change ...func(*inject.Request)) *corev1.Pod {
	t.Helper()
	req := inject.Request{Object: object(t, pod), Namespace: "shop"}
	for _, c := range change {
		c(&req)
	}
	res := s.Inject(t.Context(), req)
	if res.Decision.Outcome != decide.Inject {
		t.Fatalf("decided %s: %s", res.Decision.Code, res.Decision.Message)
	}
	return res.Pod
}

const proxyAndInit = `spec:
  initContainers:
  - name: istio-init
    image: init
    args: ["-u", "1337"]
  containers:
  - name: istio-proxy
    image: "proxy-{{ .ProxyUID }}-{{ .ProxyGID }}-{{ .InboundTrafficPolicyMode }}"`

// The user that a declared proxy runs as reaches the traffic rules, but for TPROXY,
// for which the proxy stays root.
func TestDeclaredUser(t *testing.T) {
	user := int64(2000)
	for name, tc := range map[string]struct {
		annotations map[string]string
		uid         int64
	}{
		"REDIRECT":                           {nil, 2000},
		"TPROXY by the annotation":           {map[string]string{"sidecar.istio.io/interceptionMode": "TPROXY"}, 0},
		"TPROXY by the proxy configuration":  {map[string]string{"proxy.istio.io/config": "interceptionMode: TPROXY"}, 0},
		"REDIRECT by the annotation of mode": {map[string]string{"sidecar.istio.io/interceptionMode": "REDIRECT"}, 2000},
	} {
		pod := app(tc.annotations)
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: proxy.Name, Image: "auto", SecurityContext: &corev1.SecurityContext{RunAsUser: &user}})
		got := done(t, of(t, sidecar(proxyAndInit), "", "", inject.Options{}), pod)
		if args := got.Spec.InitContainers[0].Args; !slices.Equal(args, []string{"-u", "2000"}) {
			t.Errorf("%s: istio-init %q", name, args)
		}
		if c := proxy.Find(&got.Spec); *c.SecurityContext.RunAsUser != tc.uid {
			t.Errorf("%s: the proxy runs as %d, want %d", name, *c.SecurityContext.RunAsUser, tc.uid)
		}
	}
}

// On OpenShift the proxy's IDs come from the namespace, and a user that the platform
// has assigned to the whole pod is not the proxy's.
func TestOpenShift(t *testing.T) {
	ranges := cluster{annotations: map[string]string{proxy.UIDRangeKey: "1000/10", proxy.SupplementalGroupsKey: "2000/20"}}
	user := int64(1000)
	for name, tc := range map[string]struct {
		options inject.Options
		image   string
		keeps   bool
	}{
		"OpenShift":                       {inject.Options{Platform: inject.PlatformOpenShift, Cluster: ranges}, "proxy-1009-2019-passthrough", false},
		"OpenShift, nothing known":        {inject.Options{Platform: inject.PlatformOpenShift}, "proxy-1337-1337-passthrough", false},
		"elsewhere, the same namespace":   {inject.Options{Cluster: ranges}, "proxy-1337-1337-passthrough", true},
		"elsewhere, nothing known at all": {inject.Options{}, "proxy-1337-1337-passthrough", true},
	} {
		pod := app(nil)
		assigned := &corev1.SecurityContext{RunAsUser: &user}
		pod.Spec.Containers[0].SecurityContext = assigned
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: proxy.Name, Image: "auto", SecurityContext: assigned})
		got := proxy.Find(&done(t, of(t, sidecar(proxyAndInit), "", "", tc.options), pod).Spec)
		if got.Image != tc.image {
			t.Errorf("%s: image %s, want %s", name, got.Image, tc.image)
		}
		if keeps := got.SecurityContext != nil && got.SecurityContext.RunAsUser != nil; keeps != tc.keeps {
			t.Errorf("%s: the proxy's user is %+v", name, got.SecurityContext)
		}
	}
}

func TestMeshSettings(t *testing.T) {
	for mesh, want := range map[string]struct{ image, port string }{
		"":                             {"proxy-1337-1337-passthrough", "15020"},
		"enablePrometheusMerge: true":  {"proxy-1337-1337-passthrough", "15020"},
		"enablePrometheusMerge: false": {"proxy-1337-1337-passthrough", "8080"},
		"inboundTrafficPolicy: {mode: LOCALHOST}": {"proxy-1337-1337-localhost", "15020"},
	} {
		pod := done(t, of(t, sidecar(proxyAndInit), mesh, "", inject.Options{}), app(map[string]string{"prometheus.io/port": "8080", "prometheus.io/scrape": "true"}))
		if c := proxy.Find(&pod.Spec); c.Image != want.image || pod.Annotations["prometheus.io/port"] != want.port {
			t.Errorf("%q: image %s, scrape port %s, want %+v", mesh, c.Image, pod.Annotations["prometheus.io/port"], want)
		}
	}
}

// The classic dialect shows templates the workload that the caller knows, else the
// pod; and gives the token's group where certificates come by secret discovery.
func TestClassicSettings(t *testing.T) {
	const text = "policy: enabled\ntemplate: |\n  containers:\n  - name: istio-proxy\n    image: \"[[ .DeploymentMeta.Name ]]\"\n"
	web := func(r *inject.Request) {
		r.Owner = &inject.Owner{TypeMeta: metav1.TypeMeta{Kind: "Deployment"}, ObjectMeta: metav1.ObjectMeta{Name: "web"}}
	}
	pod := app(nil)
	pod.Name = "alone"
	s := of(t, text, "", "", inject.Options{})
	if got := proxy.Find(&done(t, s, pod).Spec).Image; got != "alone" {
		t.Errorf("a pod is shown as %s", got)
	}
	if got := proxy.Find(&done(t, s, pod, web).Spec).Image; got != "web" {
		t.Errorf("the pod of a workload is shown as %s", got)
	}
	for mesh, want := range map[string]bool{
		"enableSdsTokenMount: true\nsdsUdsPath: unix:/x\n":  true,
		"enableSdsTokenMount: false\nsdsUdsPath: unix:/x\n": false,
		"enableSdsTokenMount: true\n":                       false,
	} {
		sc := done(t, of(t, text, mesh, "", inject.Options{}), pod).Spec.SecurityContext
		if got := sc != nil && sc.FSGroup != nil && *sc.FSGroup == 1337; got != want {
			t.Errorf("%q: the token's group: %v", mesh, got)
		}
	}
	// The classic dialect decides by the annotation alone.
	pod.Labels = map[string]string{"sidecar.istio.io/inject": "false"}
	done(t, s, pod)
}

// The version of the level that the namespace enforces counts, the latest where it
// names none.
func TestPodSecurityVersions(t *testing.T) {
	const template = `spec:
  containers:
  - name: istio-proxy
    image: p
    securityContext: {allowPrivilegeEscalation: false, runAsNonRoot: true}`
	pod := app(nil)
	yes, no := true, false
	pod.Spec.SecurityContext = &corev1.PodSecurityContext{SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}}
	pod.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{AllowPrivilegeEscalation: &no, RunAsNonRoot: &yes, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}}
	for version, refuses := range map[string]bool{"v1.19": false, "v1.30": true, "latest": true, "odd": true} {
		labels := map[string]string{"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/enforce-version": version}
		res := of(t, sidecar(template), "", "", inject.Options{Cluster: cluster{labels: labels}}).Inject(t.Context(), inject.Request{Object: object(t, pod), Namespace: "shop"})
		if got := strings.Contains(strings.Join(res.Warnings, ";"), "pod security level restricted"); got != refuses {
			t.Errorf("%s: warnings %q", version, res.Warnings)
		}
	}
}

// A CronJob names its jobs after the minute: 8 to 10 digits.
func TestCronJobNames(t *testing.T) {
	const template = `spec:
  containers:
  - name: sidecar
    image: "{{ .TypeMeta.Kind }}/{{ .DeploymentMeta.Name }}"`
	s := of(t, sidecar(template), "", "", inject.Options{})
	yes := true
	for job, want := range map[string]string{
		"backup-1234567":     "Job/backup-1234567",
		"backup-12345678":    "CronJob/backup",
		"backup-1234567890":  "CronJob/backup",
		"backup-12345678901": "Job/backup-12345678901",
		"backup-1234567x":    "Job/backup-1234567x",
		"-12345678":          "Job/-12345678",
		"a-12345678":         "CronJob/a",
	} {
		pod := app(nil)
		pod.Name, pod.GenerateName = "", job+"-"
		pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "Job", Name: job, Controller: &yes}}
		if got := done(t, s, pod).Spec.Containers[0].Image; got != want {
			t.Errorf("%s: %s, want %s", job, got, want)
		}
	}
}
