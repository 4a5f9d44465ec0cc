package classic

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/proxy"
)

func get(p any, path string, scheme corev1.URIScheme) corev1.ProbeHandler {
	port := port(p)
	return corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: port, Scheme: scheme}}
}

func joined(l []corev1.Container) string {
	var out []string
	for _, c := range l {
		out = append(out, c.Name)
	}
	return strings.Join(out, " ")
}

func env(t *testing.T, pod *corev1.Pod, name string) string {
	t.Helper()
	c := proxy.Find(&pod.Spec)
	if c == nil {
		return "(no proxy)"
	}
	if e := proxy.LookupEnv(c, name); e != nil {
		return e.Value
	}
	return "(not set)"
}

func i64(n int64) *int64 { return &n }

func port(p any) intstr.IntOrString {
	if s, ok := p.(string); ok {
		return intstr.FromString(s)
	}
	return intstr.FromInt32(int32(p.(int)))
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

const classicText = `
rewriteAppHTTPProbe: true
initContainers:
- name: istio-init
  restartPolicy: Always
containers:
- name: istio-proxy
  args: [--statusPort, 15020]
  restartPolicy: Always
  resources:
    requests: {cpu: 1100m}
- name: other
dnsConfig: {searches: [global]}
securityContext: {runAsUser: 5}
`

func TestFragment(t *testing.T) {
	f, err := ParseFragment(context.Background(), []byte(classicText))
	if err != nil {
		t.Fatal(err)
	}
	if !f.RewriteAppHTTPProbe || f.InitContainers[0].RestartPolicy != nil || f.Containers[0].RestartPolicy != nil {
		t.Errorf("fragment %s", mustJSON(t, f))
	}
	if got := strings.Join(f.Containers[0].Args, " "); got != "--statusPort 15020 --concurrency 2" {
		t.Errorf("args %s", got)
	}
	pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{
		Name: "app", VolumeMounts: []corev1.VolumeMount{{Name: "token", MountPath: tokenMount}},
		Ports:          []corev1.ContainerPort{{Name: "http", ContainerPort: 80}},
		ReadinessProbe: &corev1.Probe{ProbeHandler: get("http", "/r", corev1.URISchemeHTTPS)},
		LivenessProbe:  &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: port(1)}}},
	}}}}
	before := pod.DeepCopy()
	pod = proxy.CopyForWrite(pod)
	f.Append(pod)
	RedirectProbes(pod)
	if joined(pod.Spec.Containers) != "app istio-proxy other" || joined(pod.Spec.InitContainers) != "istio-init" || pod.Spec.DNSConfig == nil || *pod.Spec.SecurityContext.RunAsUser != 5 {
		t.Errorf("pod %s", mustJSON(t, pod.Spec))
	}
	if m := pod.Spec.Containers[1].VolumeMounts; len(m) != 1 || m[0].Name != "token" || len(f.Containers[0].VolumeMounts) != 0 {
		t.Errorf("the proxy's mounts %v, the fragment's %v", m, f.Containers[0].VolumeMounts)
	}
	if got := env(t, pod, proxy.ProbersEnv); got != `{"/app-health/app/readyz":{"path":"/r","port":80,"scheme":"HTTPS"}}` {
		t.Errorf("env %s", got)
	}
	if p := pod.Spec.Containers[0]; p.ReadinessProbe.HTTPGet.Port.IntVal != 15020 || p.ReadinessProbe.HTTPGet.Scheme != corev1.URISchemeHTTP || p.LivenessProbe.TCPSocket == nil {
		t.Errorf("probes %s", mustJSON(t, p))
	}
	RestoreProbes(&pod.Spec, &pod.Spec.Containers[1])
	before.Spec.Containers[0].ReadinessProbe.HTTPGet.Port = port(80)
	if got, want := mustJSON(t, pod.Spec.Containers[0]), mustJSON(t, before.Spec.Containers[0]); got != want {
		t.Errorf("restored %s\nwant %s", got, want)
	}
}

func TestFragmentErrors(t *testing.T) {
	_, err := ParseFragment(context.Background(), []byte("containers: {a: b}"))
	if err == nil || !strings.Contains(err.Error(), "containers") || strings.Contains(err.Error(), "while decoding") {
		t.Errorf("got %v", err)
	}
}

func TestConcurrency(t *testing.T) {
	for text, want := range map[string]string{
		`{name: istio-proxy, resources: {limits: {cpu: 2}, requests: {cpu: 9}}}`: "--concurrency 2",
		`{name: istio-proxy, resources: {limits: {cpu: 10m}}}`:                   "--concurrency 1",
		`{name: istio-proxy}`:                          "",
		`{name: other, resources: {limits: {cpu: 2}}}`: "",
		`{name: istio-proxy, args: [--concurrency, 4], resources: {limits: {cpu: 2}}}`: "--concurrency 4",
		`{name: istio-proxy, args: [-concurrency=4], resources: {limits: {cpu: 2}}}`:   "-concurrency=4",
		`{name: istio-proxy, args: [--concurrency, 0], resources: {limits: {cpu: 2}}}`: "--concurrency 0 --concurrency 2",
		`{name: istio-proxy, args: [--concurrency, x], resources: {limits: {cpu: 2}}}`: "--concurrency x --concurrency 2",
		`{name: istio-proxy, args: [--concurrency], resources: {limits: {cpu: 2}}}`:    "--concurrency --concurrency 2",
	} {
		f, err := ParseFragment(context.Background(), []byte("containers: ["+text+"]"))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(f.Containers[0].Args, " "); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestRedirectProbes(t *testing.T) {
	status := []string{"--statusPort", "15020"}
	for name, tc := range map[string]struct {
		args          []string
		probe         corev1.ProbeHandler
		want, records string
	}{
		"redirected": {
			status, get(80, "/r", ""),
			`{"path":"/app-health/app/readyz","port":15020}`, `{"/app-health/app/readyz":{"path":"/r","port":80}}`,
		},
		"on the status port": {
			status, get(15020, "/r", ""),
			`{"path":"/app-health/app/readyz","port":15020}`, `{"/app-health/app/readyz":{"path":"/r","port":15020}}`,
		},
		"on the status port, by name": {
			status, get("status", "/r", ""),
			`{"path":"/app-health/app/readyz","port":15020}`, `{"/app-health/app/readyz":{"path":"/r","port":15020}}`,
		},
		"redirected before": {
			status, get(15020, "/app-health/other/livez", ""),
			`{"path":"/app-health/other/livez","port":15020}`, `{}`,
		},
		"a path like the agent's on another port": {
			status, get(80, "/app-health/x", ""),
			`{"path":"/app-health/app/readyz","port":15020}`, `{"/app-health/app/readyz":{"path":"/app-health/x","port":80}}`,
		},
		"a port name that no port has": {
			status, get("nowhere", "/r", ""),
			`{"path":"/app-health/app/readyz","port":15020}`, `{}`,
		},
		"no status port": {
			nil, get("status", "/r", corev1.URISchemeHTTPS),
			`{"path":"/r","port":"status","scheme":"HTTPS"}`, `{"/app-health/app/readyz":{"path":"/r","port":15020,"scheme":"HTTPS"}}`,
		},
		"no status port, a path like the agent's": {
			nil, get(0, "/app-health/x", ""),
			`{"path":"/app-health/x","port":0}`, `{"/app-health/app/readyz":{"path":"/app-health/x","port":0}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{
				{Name: "app", Ports: []corev1.ContainerPort{{Name: "status", ContainerPort: 15020}}, ReadinessProbe: &corev1.Probe{ProbeHandler: tc.probe}},
				{Name: proxy.Name, Args: tc.args, LivenessProbe: &corev1.Probe{ProbeHandler: get(1, "/own", "")}},
			}}}
			own := mustJSON(t, pod.Spec.Containers[1].LivenessProbe)
			RedirectProbes(pod)
			if got := mustJSON(t, pod.Spec.Containers[0].ReadinessProbe.HTTPGet); got != tc.want {
				t.Errorf("probe %s, want %s", got, tc.want)
			}
			if got := env(t, pod, proxy.ProbersEnv); got != tc.records {
				t.Errorf("records %s, want %s", got, tc.records)
			}
			if got := mustJSON(t, pod.Spec.Containers[1].LivenessProbe); got != own {
				t.Errorf("the proxy's own probe is %s", got)
			}
		})
	}
}

func TestProbesWithoutProxyOrRecords(t *testing.T) {
	pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", ReadinessProbe: &corev1.Probe{ProbeHandler: get(80, "/r", "")}}}}}
	RedirectProbes(pod)
	RestoreProbes(&pod.Spec, nil)
	RestoreProbes(&pod.Spec, &corev1.Container{})
	for _, records := range []string{"odd", `{"/app-health/app/readyz":{"path":"/x","port":1}}`} {
		RestoreProbes(&pod.Spec, &corev1.Container{Env: []corev1.EnvVar{{Name: proxy.ProbersEnv, Value: records}}})
	}
	pod.Spec.Containers[0].LivenessProbe = &corev1.Probe{ProbeHandler: get(15020, "/app-health/app/livez", "")}
	RestoreProbes(&pod.Spec, &corev1.Container{Env: []corev1.EnvVar{{Name: proxy.ProbersEnv, Value: `{"/app-health/app/livez":{"httpGet":{"path":"/current","port":1}}}`}}})
	if c := pod.Spec.Containers[0]; c.ReadinessProbe.HTTPGet.Path != "/r" || c.LivenessProbe.HTTPGet.Path != "/app-health/app/livez" {
		t.Error("restored from nothing")
	}
}

func TestTokenGroup(t *testing.T) {
	spec := &corev1.PodSpec{}
	SetTokenGroup(spec)
	if *spec.SecurityContext.FSGroup != 1337 {
		t.Errorf("group %v", spec.SecurityContext)
	}
	UnsetTokenGroup(spec)
	if spec.SecurityContext != nil {
		t.Errorf("left %v", spec.SecurityContext)
	}
	own := &corev1.PodSecurityContext{RunAsUser: i64(1)}
	spec.SecurityContext = own
	SetTokenGroup(spec)
	UnsetTokenGroup(spec)
	if own.FSGroup != nil || spec.SecurityContext.FSGroup != nil || *spec.SecurityContext.RunAsUser != 1 {
		t.Errorf("left %v, the shared one %v", spec.SecurityContext, own)
	}
	spec.SecurityContext = &corev1.PodSecurityContext{FSGroup: i64(5)}
	UnsetTokenGroup(spec)
	if *spec.SecurityContext.FSGroup != 5 {
		t.Error("the user's own group is gone")
	}
}

func TestFlagValue(t *testing.T) {
	for args, want := range map[string]int{
		"--statusPort=15020": 15020, "-statusPort=7": 7, "--statusPort 15020": 15020, "x --statusPort 1 --statusPort 2": 1,
		"--statusPorts=3": -1, "--statusPort": -1, "---statusPort=3": -1, "statusPort=3": -1, "--statusPort=": -1, "--statusPort=a": -1, "--statusPort a": -1,
		"--statusPort=a --statusPort=4": 4, "": -1, "--status 3": -1,
	} {
		got, ok := flagValue(strings.Fields(args), "statusPort")
		if ok != (want >= 0) || ok && got != want {
			t.Errorf("%s: %d, %v, want %d", args, got, ok, want)
		}
	}
}
