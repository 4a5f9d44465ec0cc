package post

import (
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func get(p any, path string, scheme corev1.URIScheme) corev1.ProbeHandler {
	return corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: port(p), Scheme: scheme}}
}

// probed is a pod whose containers have every kind of probe and hook.
func probed(annotations map[string]string) *corev1.Pod {
	pod := newPod(annotations)
	pod.Spec.InitContainers = []corev1.Container{{
		Name:           "setup",
		ReadinessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: 9090}}},
	}}
	pod.Spec.Containers[0] = corev1.Container{
		Name:           "app",
		Ports:          []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}, {ContainerPort: 1}},
		ReadinessProbe: &corev1.Probe{ProbeHandler: get("http", "/ready", corev1.URISchemeHTTPS), TimeoutSeconds: 3, PeriodSeconds: 9},
		LivenessProbe:  &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: port("http")}}},
		StartupProbe:   &corev1.Probe{ProbeHandler: get("nowhere", "/start", "")},
		Lifecycle: &corev1.Lifecycle{
			PreStop:   &corev1.LifecycleHandler{HTTPGet: get(8080, "/stop", "").HTTPGet},
			PostStart: &corev1.LifecycleHandler{TCPSocket: &corev1.TCPSocketAction{Port: port(8080)}},
		},
	}
	pod.Spec.Containers[1].ReadinessProbe = &corev1.Probe{ProbeHandler: get(15021, "/healthz/ready", "")}
	return pod
}

func TestRewriteProbes(t *testing.T) {
	pod := probed(nil)
	before := pod.DeepCopy()
	shallow := *pod
	Own(&shallow)
	RewriteProbes(&shallow, Probes{Rewrite: true, StatusPort: 15020}, false)
	if !reflect.DeepEqual(pod, before) {
		t.Error("what the pod shares with others has been changed")
	}
	wantEnv := `{"/app-health/app/livez":{"tcpSocket":{"port":8080}},` +
		`"/app-health/app/readyz":{"httpGet":{"path":"/ready","port":8080,"scheme":"HTTPS"},"timeoutSeconds":3},` +
		`"/app-health/setup/readyz":{"grpc":{"port":9090,"service":null}},` +
		`"/app-lifecycle/app/poststartz":{"tcpSocket":{"port":8080}},` +
		`"/app-lifecycle/app/prestopz":{"httpGet":{"path":"/stop","port":8080}}}`
	if got := env(t, &shallow, ProbersEnv); got != wantEnv {
		t.Errorf("env\n%s\nwant\n%s", got, wantEnv)
	}
	app := shallow.Spec.Containers[0]
	wantProbe := func(what string, p *corev1.Probe, path string, scheme corev1.URIScheme) {
		t.Helper()
		if got, want := mustJSON(t, p.ProbeHandler), mustJSON(t, get(15020, path, scheme)); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	wantProbe("readiness", app.ReadinessProbe, "/app-health/app/readyz", corev1.URISchemeHTTP)
	wantProbe("liveness", app.LivenessProbe, "/app-health/app/livez", "")
	wantProbe("startup", app.StartupProbe, "/app-health/app/startupz", "")
	wantProbe("init", shallow.Spec.InitContainers[0].ReadinessProbe, "/app-health/setup/readyz", "")
	if app.ReadinessProbe.PeriodSeconds != 9 {
		t.Error("the rest of the probe is gone")
	}
	if app.Lifecycle.PreStop.HTTPGet.Path != "/app-lifecycle/app/prestopz" || app.Lifecycle.PostStart.TCPSocket != nil || app.Lifecycle.PostStart.HTTPGet.Path != "/app-lifecycle/app/poststartz" {
		t.Errorf("hooks %s", mustJSON(t, app.Lifecycle))
	}
	if mustJSON(t, shallow.Spec.Containers[1].ReadinessProbe) != mustJSON(t, before.Spec.Containers[1].ReadinessProbe) {
		t.Error("the proxy's own probe has been rewritten")
	}

	// A second time nothing changes.
	again := shallow.DeepCopy()
	RewriteProbes(again, Probes{Rewrite: true, StatusPort: 15020}, true)
	if !reflect.DeepEqual(again, &shallow) {
		t.Errorf("the second time: %s", mustJSON(t, again.Spec))
	}

	// And back: all but the probe without a record, and the port's name.
	RestoreProbes(&again.Spec, FindAnywhere(&again.Spec, Proxy))
	want := before.DeepCopy()
	want.Spec.Containers[0].ReadinessProbe.HTTPGet.Port = port(8080)
	want.Spec.Containers[0].LivenessProbe.TCPSocket.Port = port(8080)
	want.Spec.Containers[0].StartupProbe = again.Spec.Containers[0].StartupProbe
	want.Spec.Containers[1].Env = again.Spec.Containers[1].Env
	if got := mustJSON(t, again.Spec); got != strings.ReplaceAll(mustJSON(t, want.Spec), `"service":""`, `"service":null`) {
		t.Errorf("restored\n%s\nwant\n%s", got, mustJSON(t, want.Spec))
	}
}

func TestRewriteProbesOrNot(t *testing.T) {
	for name, tc := range map[string]struct {
		annotations map[string]string
		setting     bool
		port        int32
	}{
		"setting":          {nil, true, 15020},
		"setting off":      {nil, false, 0},
		"annotation on":    {map[string]string{RewriteProbersKey: "true"}, false, 15020},
		"annotation off":   {map[string]string{RewriteProbersKey: "false"}, true, 0},
		"annotation odd":   {map[string]string{RewriteProbersKey: "odd"}, true, 15020},
		"another port":     {map[string]string{StatusPortKey: "123"}, true, 123},
		"no status server": {map[string]string{StatusPortKey: "0"}, true, 0},
	} {
		pod := probed(tc.annotations)
		RewriteProbes(pod, Probes{Rewrite: tc.setting, StatusPort: 15020}, false)
		got := pod.Spec.Containers[0].ReadinessProbe.HTTPGet.Port
		if tc.port == 0 && got.StrVal != "http" || tc.port != 0 && got.IntVal != tc.port {
			t.Errorf("%s: port %s", name, got.String())
		}
	}
	bare := probed(nil)
	bare.Spec.Containers = bare.Spec.Containers[:1]
	RewriteProbes(bare, Probes{Rewrite: true, StatusPort: 15020}, false)
	if bare.Spec.Containers[0].ReadinessProbe.HTTPGet.Path != "/ready" {
		t.Error("rewritten without a proxy to answer")
	}
}

func TestOldRecordsWin(t *testing.T) {
	pod := newPod(nil)
	pod.Spec.Containers[0].LivenessProbe = &corev1.Probe{ProbeHandler: get(8080, "/new", "")}
	pod.Spec.Containers[0].ReadinessProbe = &corev1.Probe{ProbeHandler: get(8080, "/ready", "")}
	addEnv(&pod.Spec.Containers[1], ProbersEnv, `{"/app-health/app/livez":{"httpGet":{"path":"/old","port":1}}}`)
	RewriteProbes(pod, Probes{Rewrite: true, StatusPort: 15020}, true)
	want := `{"/app-health/app/livez":{"httpGet":{"path":"/old","port":1}},"/app-health/app/readyz":{"httpGet":{"path":"/ready","port":8080}}}`
	if got := env(t, pod, ProbersEnv); got != want {
		t.Errorf("got %s", got)
	}
	odd := newPod(nil)
	odd.Spec.Containers[0].LivenessProbe = &corev1.Probe{ProbeHandler: get(8080, "/new", "")}
	addEnv(&odd.Spec.Containers[1], ProbersEnv, "odd")
	RewriteProbes(odd, Probes{Rewrite: true, StatusPort: 15020}, true)
	if got := env(t, odd, ProbersEnv); got != "odd" {
		t.Errorf("a record that cannot be read: %s", got)
	}
	RestoreProbes(&odd.Spec, &odd.Spec.Containers[1])
	if odd.Spec.Containers[0].LivenessProbe.HTTPGet.Path != "/app-health/app/livez" {
		t.Error("restored from nothing")
	}
	RestoreProbes(&odd.Spec, nil)
}

func TestDropRewritten(t *testing.T) {
	on := probed(nil)
	RewriteProbes(on, Probes{Rewrite: true, StatusPort: 15020}, false)
	from := probed(nil).Spec.Containers[0]
	DropRewritten(&on.Spec.Containers[0], &from)
	if from.ReadinessProbe != nil || from.LivenessProbe != nil || from.StartupProbe != nil || from.Lifecycle.PreStop != nil || from.Lifecycle.PostStart != nil {
		t.Errorf("left %s", mustJSON(t, from))
	}
	plain := probed(nil)
	from = probed(nil).Spec.Containers[0]
	DropRewritten(&plain.Spec.Containers[0], &from)
	if from.ReadinessProbe == nil || from.Lifecycle.PreStop == nil {
		t.Error("dropped what has not been rewritten")
	}
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
	f, err := ParseFragment([]byte(classicText))
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
	Own(pod)
	f.Append(pod)
	RewriteClassic(pod)
	if joined(pod.Spec.Containers) != "app istio-proxy other" || joined(pod.Spec.InitContainers) != "istio-init" || pod.Spec.DNSConfig == nil || *pod.Spec.SecurityContext.RunAsUser != 5 {
		t.Errorf("pod %s", mustJSON(t, pod.Spec))
	}
	if m := pod.Spec.Containers[1].VolumeMounts; len(m) != 1 || m[0].Name != "token" || len(f.Containers[0].VolumeMounts) != 0 {
		t.Errorf("the proxy's mounts %v, the fragment's %v", m, f.Containers[0].VolumeMounts)
	}
	if got := env(t, pod, ProbersEnv); got != `{"/app-health/app/readyz":{"path":"/r","port":80,"scheme":"HTTPS"}}` {
		t.Errorf("env %s", got)
	}
	if p := pod.Spec.Containers[0]; p.ReadinessProbe.HTTPGet.Port.IntVal != 15020 || p.ReadinessProbe.HTTPGet.Scheme != corev1.URISchemeHTTP || p.LivenessProbe.TCPSocket == nil {
		t.Errorf("probes %s", mustJSON(t, p))
	}
	RestoreClassic(&pod.Spec, &pod.Spec.Containers[1])
	before.Spec.Containers[0].ReadinessProbe.HTTPGet.Port = port(80)
	if got, want := mustJSON(t, pod.Spec.Containers[0]), mustJSON(t, before.Spec.Containers[0]); got != want {
		t.Errorf("restored %s\nwant %s", got, want)
	}
}

func TestFragmentErrors(t *testing.T) {
	_, err := ParseFragment([]byte("containers: {a: b}"))
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
		f, err := ParseFragment([]byte("containers: [" + text + "]"))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(f.Containers[0].Args, " "); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestClassicWithoutStatusPort(t *testing.T) {
	pod := newPod(nil)
	pod.Spec.Containers[0].ReadinessProbe = &corev1.Probe{ProbeHandler: get(80, "/r", "")}
	RewriteClassic(pod)
	if pod.Spec.Containers[0].ReadinessProbe.HTTPGet.Path != "/r" || env(t, pod, ProbersEnv) != "(not set)" {
		t.Error("rewritten without a status port")
	}
	pod.Spec.Containers = pod.Spec.Containers[:1]
	RewriteClassic(pod)
	RestoreClassic(&pod.Spec, nil)
	RestoreClassic(&pod.Spec, &corev1.Container{})
	RestoreClassic(&pod.Spec, &corev1.Container{Env: []corev1.EnvVar{{Name: ProbersEnv, Value: "odd"}}})
	if pod.Spec.Containers[0].ReadinessProbe.HTTPGet.Path != "/r" {
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
