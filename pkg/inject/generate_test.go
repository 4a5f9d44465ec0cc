package inject_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// generator makes pods as users write them. The same seed makes the same pods.
type generator struct{ *rand.Rand }

func newGenerator(seed uint64) *generator { return &generator{rand.New(rand.NewPCG(seed, 1))} }

// chance is true once in n times, on average.
func (g *generator) chance(n int) bool { return g.IntN(n) == 0 }

func pick[T any](g *generator, from ...T) T { return from[g.IntN(len(from))] }

func (g *generator) pod() *corev1.Pod {
	pod := &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{Kind: "Pod", APIVersion: "v1"},
		ObjectMeta: g.meta(),
		Spec: corev1.PodSpec{
			ServiceAccountName: pick(g, "", "default", "robot"),
			NodeName:           pick(g, "", "node-1"),
			RestartPolicy:      pick(g, "", corev1.RestartPolicyAlways, corev1.RestartPolicyNever),
			HostAliases:        pick(g, nil, []corev1.HostAlias{{IP: "10.0.0.1", Hostnames: []string{"db"}}}),
		},
	}
	for i := range g.IntN(3) {
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: fmt.Sprintf("vol-%d", i), VolumeSource: g.volume()})
	}
	for i := range g.IntN(3) {
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, g.container(fmt.Sprintf("init-%d", i)))
	}
	for i := range 1 + g.IntN(3) {
		pod.Spec.Containers = append(pod.Spec.Containers, g.container(fmt.Sprintf("app-%d", i)))
	}
	if g.chance(4) {
		pod.Spec.EphemeralContainers = []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "debug", Image: "busybox"}}}
	}
	if g.chance(4) {
		pod.Spec.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "own-registry"}}
	}
	if g.chance(4) {
		pod.Spec.Containers = append(pod.Spec.Containers, g.declaredProxy())
	}
	return pod
}

// declaredProxy is what users write to set fields of the proxy.
func (g *generator) declaredProxy() corev1.Container {
	c := corev1.Container{Name: "istio-proxy", Image: "auto"}
	if g.chance(2) {
		c.Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("250m")}
	}
	if g.chance(2) {
		c.Env = []corev1.EnvVar{{Name: "EXAMPLE", Value: "1"}}
	}
	if g.chance(2) {
		user := pick[int64](g, 0, 1234)
		c.SecurityContext = &corev1.SecurityContext{RunAsUser: &user}
	}
	if g.chance(3) {
		c.Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"sleep", "5"}}}}
	}
	if g.chance(3) {
		c.LivenessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/ready", Port: intstr.FromInt32(15021)}}}
	}
	return c
}

func (g *generator) meta() metav1.ObjectMeta {
	m := metav1.ObjectMeta{Namespace: pick(g, "", "shop")}
	controller := true
	owner := func(version, kind, name string) {
		m.GenerateName = name + "-"
		m.OwnerReferences = []metav1.OwnerReference{{APIVersion: version, Kind: kind, Name: name, UID: "1", Controller: &controller}}
	}
	set := func(k, v string) {
		if m.Labels == nil {
			m.Labels = map[string]string{}
		}
		m.Labels[k] = v
	}
	switch g.IntN(9) {
	case 0:
		m.Name = "alone"
	case 1:
		owner("apps/v1", "ReplicaSet", "web-6f7d")
		set("pod-template-hash", "6f7d")
	case 2:
		owner("apps/v1", "ReplicaSet", "web-6f7d")
		set("rollouts-pod-template-hash", "6f7d")
	case 3:
		owner("v1", "ReplicationController", "old-1")
		set("deploymentconfig", "old")
	case 4:
		owner("batch/v1", "Job", "nightly-28123456")
	case 5:
		owner("batch/v1", "Job", "once")
	case 6:
		owner("apps/v1", "StatefulSet", "db")
	case 7:
		owner("apps/v1", "DaemonSet", "agent")
	case 8:
		owner("example.com/v1", "Widget", "thing")
	}
	if g.chance(2) {
		set("app", "web")
	}
	for k, v := range map[string]string{
		"example.com/note":                       "kept",
		"prometheus.io/port":                     "8080",
		"prometheus.io/path":                     "/own",
		"prometheus.io/scrape":                   pick(g, "true", "false"),
		"prometheus.istio.io/scrape-targets":     pick(g, "8081:/metrics,9100:/more", "9100:/m"),
		"sidecar.istio.io/nativeSidecar":         pick(g, "true", "false"),
		"status.sidecar.istio.io/port":           "15099",
		"inject.istio.io/templates":              pick(g, "sidecar", "everything", "sidecar, files"),
		"proxy.istio.io/config":                  "concurrency: 2\nholdApplicationUntilProxyStarts: true\n",
		"sidecar.istio.io/rewriteAppHTTPProbers": pick(g, "true", "false"),
		"sidecar.istio.io/interceptionMode":      pick(g, "TPROXY", "REDIRECT"),
		"example.com/ports":                      "4,5",
		"example.com/networks":                   pick(g, "own", `[{"name": "own"}]`),
		"topology.istio.io/unrelated":            "x",
	} {
		if g.chance(5) {
			if m.Annotations == nil {
				m.Annotations = map[string]string{}
			}
			m.Annotations[k] = v
		}
	}
	if g.chance(6) {
		set("topology.istio.io/network", "own-net")
	}
	return m
}

func (g *generator) volume() corev1.VolumeSource {
	return pick(g,
		corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}},
		corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "c"}}},
		corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "s"}},
	)
}

func (g *generator) container(name string) corev1.Container {
	c := corev1.Container{Name: name, Image: "registry.example.com/" + name}
	for i := range g.IntN(3) {
		c.Ports = append(c.Ports, corev1.ContainerPort{
			Name: fmt.Sprintf("port-%d", i), ContainerPort: int32(8080 + i),
			Protocol: pick(g, "", corev1.ProtocolTCP, corev1.ProtocolUDP),
		})
	}
	for i := range g.IntN(3) {
		c.Env = append(c.Env, corev1.EnvVar{Name: fmt.Sprintf("VAR_%d", i), Value: pick(g, "", "x", `{"a":1}`)})
	}
	if g.chance(3) {
		c.ReadinessProbe = g.probe()
	}
	if g.chance(3) {
		c.LivenessProbe = g.probe()
	}
	if g.chance(3) {
		c.StartupProbe = g.probe()
	}
	if g.chance(4) {
		c.Lifecycle = &corev1.Lifecycle{PreStop: g.hook(), PostStart: g.hook()}
	}
	if g.chance(4) {
		c.VolumeMounts = []corev1.VolumeMount{{Name: "vol-0", MountPath: "/data"}}
	}
	if g.chance(5) {
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "token", MountPath: "/var/run/secrets/kubernetes.io/serviceaccount", ReadOnly: true})
	}
	return c
}

func (g *generator) probe() *corev1.Probe {
	return &corev1.Probe{
		TimeoutSeconds: int32(g.IntN(5)),
		PeriodSeconds:  int32(g.IntN(5)),
		ProbeHandler: pick(g,
			corev1.ProbeHandler{HTTPGet: g.get()},
			corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(8080)}},
			corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: 9090}},
			corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"true"}}},
		),
	}
}

func (g *generator) get() *corev1.HTTPGetAction {
	return &corev1.HTTPGetAction{
		Path: pick(g, "", "/live"), Port: intstr.FromInt32(8080),
		Scheme:      pick(g, "", corev1.URISchemeHTTP, corev1.URISchemeHTTPS),
		HTTPHeaders: pick(g, nil, []corev1.HTTPHeader{{Name: "X", Value: "y"}}),
	}
}

func (g *generator) hook() *corev1.LifecycleHandler {
	return pick(g, nil,
		&corev1.LifecycleHandler{HTTPGet: g.get()},
		&corev1.LifecycleHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(8080)}},
		&corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"true"}}},
	)
}

// object is the pod in JSON, with fields that today's types do not have.
func (g *generator) object(t testing.TB, pod *corev1.Pod) []byte {
	t.Helper()
	text, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	if !g.chance(3) {
		return text
	}
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	spec := m["spec"].(map[string]any)
	spec["fieldOfTomorrow"] = map[string]any{"kept": true}
	for _, c := range spec["containers"].([]any) {
		c.(map[string]any)["containerFieldOfTomorrow"] = "kept"
	}
	text, err = json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
