package proxy

import (
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/annotations"
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

func TestProbes(t *testing.T) {
	pod := probed(nil)
	before := pod.DeepCopy()
	shallow := CopyForWrite(pod)
	Probes{Rewrite: true, StatusPort: 15020}.Apply(shallow, false)
	if !reflect.DeepEqual(pod, before) {
		t.Error("what the pod shares with others has been changed")
	}
	wantEnv := `{"/app-health/app/livez":{"tcpSocket":{"port":8080}},` +
		`"/app-health/app/readyz":{"httpGet":{"path":"/ready","port":8080,"scheme":"HTTPS"},"timeoutSeconds":3},` +
		`"/app-health/setup/readyz":{"grpc":{"port":9090,"service":null}},` +
		`"/app-lifecycle/app/poststartz":{"tcpSocket":{"port":8080}},` +
		`"/app-lifecycle/app/prestopz":{"httpGet":{"path":"/stop","port":8080}}}`
	if got := env(t, shallow, ProbersEnv); got != wantEnv {
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
	Probes{Rewrite: true, StatusPort: 15020}.Apply(again, true)
	if !reflect.DeepEqual(again, shallow) {
		t.Errorf("the second time: %s", mustJSON(t, again.Spec))
	}

	// And back: all but the probe without a record, and the port's name.
	RevertProbes(again)
	want := before.DeepCopy()
	want.Spec.Containers[0].ReadinessProbe.HTTPGet.Port = port(8080)
	want.Spec.Containers[0].LivenessProbe.TCPSocket.Port = port(8080)
	want.Spec.Containers[0].StartupProbe = again.Spec.Containers[0].StartupProbe
	want.Spec.Containers[1].Env = again.Spec.Containers[1].Env
	if got := mustJSON(t, again.Spec); got != strings.ReplaceAll(mustJSON(t, want.Spec), `"service":""`, `"service":null`) {
		t.Errorf("restored\n%s\nwant\n%s", got, mustJSON(t, want.Spec))
	}
}

func TestProbesOrNot(t *testing.T) {
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
		"another port":     {map[string]string{annotations.StatusPort: "123"}, true, 123},
		"no status server": {map[string]string{annotations.StatusPort: "0"}, true, 0},
	} {
		pod := probed(tc.annotations)
		Probes{Rewrite: tc.setting, StatusPort: 15020}.Apply(pod, false)
		got := pod.Spec.Containers[0].ReadinessProbe.HTTPGet.Port
		if tc.port == 0 && got.StrVal != "http" || tc.port != 0 && got.IntVal != tc.port {
			t.Errorf("%s: port %s", name, got.String())
		}
	}
	bare := probed(nil)
	bare.Spec.Containers = bare.Spec.Containers[:1]
	Probes{Rewrite: true, StatusPort: 15020}.Apply(bare, false)
	if bare.Spec.Containers[0].ReadinessProbe.HTTPGet.Path != "/ready" {
		t.Error("rewritten without a proxy to answer")
	}
}

func TestOldRecordsWin(t *testing.T) {
	pod := newPod(nil)
	pod.Spec.Containers[0].LivenessProbe = &corev1.Probe{ProbeHandler: get(8080, "/new", "")}
	pod.Spec.Containers[0].ReadinessProbe = &corev1.Probe{ProbeHandler: get(8080, "/ready", "")}
	AddEnv(&pod.Spec.Containers[1], ProbersEnv, `{"/app-health/app/livez":{"httpGet":{"path":"/old","port":1}}}`)
	Probes{Rewrite: true, StatusPort: 15020}.Apply(pod, true)
	want := `{"/app-health/app/livez":{"httpGet":{"path":"/old","port":1}},"/app-health/app/readyz":{"httpGet":{"path":"/ready","port":8080}}}`
	if got := env(t, pod, ProbersEnv); got != want {
		t.Errorf("got %s", got)
	}
	odd := newPod(nil)
	odd.Spec.Containers[0].LivenessProbe = &corev1.Probe{ProbeHandler: get(8080, "/new", "")}
	AddEnv(&odd.Spec.Containers[1], ProbersEnv, "odd")
	Probes{Rewrite: true, StatusPort: 15020}.Apply(odd, true)
	if got := env(t, odd, ProbersEnv); got != "odd" {
		t.Errorf("a record that cannot be read: %s", got)
	}
	RevertProbes(odd)
	if odd.Spec.Containers[0].LivenessProbe.HTTPGet.Path != "/app-health/app/livez" {
		t.Error("restored from nothing")
	}
	unrecorded := newPod(nil)
	unrecorded.Spec.Containers[0].LivenessProbe = &corev1.Probe{ProbeHandler: get(15020, "/app-health/app/livez", "")}
	RevertProbes(unrecorded)
	if unrecorded.Spec.Containers[0].LivenessProbe.HTTPGet.Path != "/app-health/app/livez" {
		t.Error("restored without a record")
	}
	odd.Spec.Containers = odd.Spec.Containers[:1]
	RevertProbes(odd)
}

func TestDropRewritten(t *testing.T) {
	on := probed(nil)
	Probes{Rewrite: true, StatusPort: 15020}.Apply(on, false)
	from := probed(nil).Spec.Containers[0]
	DropRedirected(&on.Spec.Containers[0], &from)
	if from.ReadinessProbe != nil || from.LivenessProbe != nil || from.StartupProbe != nil || from.Lifecycle.PreStop != nil || from.Lifecycle.PostStart != nil {
		t.Errorf("left %s", mustJSON(t, from))
	}
	plain := probed(nil)
	from = probed(nil).Spec.Containers[0]
	DropRedirected(&plain.Spec.Containers[0], &from)
	if from.ReadinessProbe == nil || from.Lifecycle.PreStop == nil {
		t.Error("dropped what has not been rewritten")
	}
}
