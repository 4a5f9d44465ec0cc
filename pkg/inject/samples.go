package inject

import (
	"context"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/proxy"
)

// sampleNamespace is the namespace of sample pods that name none.
const sampleNamespace = "default"

// sample is a pod on which templates are tried.
type sample struct {
	name string
	pod  *podmodel.Pod
	// special is set for pods that ask for something by annotations, and for pods of a
	// cluster that has native sidecars where this one has not, or the reverse. A template
	// that works for these alone works for no usual pod.
	special bool
	// otherNative is set for the latter.
	otherNative bool
}

// samples are pods that make templates take their different ways: those built in, and
// those of the configuration.
func (s *Snapshot) samples() []*sample {
	var out []*sample
	add := func(pod *corev1.Pod, special bool) {
		out = append(out, &sample{name: pod.Name, pod: &podmodel.Pod{Pod: pod}, special: special})
	}
	add(plainSample(), false)
	add(servedSample(), false)
	add(workloadSample(), false)
	if s.config.AllowedOverrides.Allows(proxy.Name) {
		add(declaredSample(), false)
	}
	for _, pod := range s.annotatedSamples() {
		add(pod, true)
	}
	for _, pod := range []*corev1.Pod{plainSample(), servedSample()} {
		add(pod, true)
		out[len(out)-1].otherNative = true
		out[len(out)-1].name += map[bool]string{true: " without native sidecars", false: " with native sidecars"}[s.usuallyNative()]
	}
	return append(out, s.givenSamples()...)
}

// usuallyNative is the cluster's setting for pods that have no node yet.
func (s *Snapshot) usuallyNative() (yes bool) {
	defer func() { _ = recover() }() // a bug that trying the samples tells of
	return s.options.Cluster != nil && s.options.Cluster.NativeSidecars("")
}

// givenSamples are the configuration's own.
func (s *Snapshot) givenSamples() (out []*sample) {
	for _, given := range s.config.SamplePods {
		pod, err := podmodel.Decode(context.Background(), given.Object)
		if err != nil {
			continue // the configuration has been parsed, so it is a pod
		}
		_, chooses := pod.Annotations[templatesKey]
		out = append(out, &sample{name: given.Name, pod: pod, special: chooses})
	}
	return out
}

// plainSample says as little as a pod can.
func plainSample() *corev1.Pod {
	return newSample("plain", corev1.Container{Name: "app", Image: "app"})
}

// servedSample has ports, probes, metrics, labels, and a Deployment behind it.
func servedSample() *corev1.Pod {
	handlers := []corev1.ProbeHandler{
		{HTTPGet: &corev1.HTTPGetAction{Path: "/ready", Port: intstr.FromString("http")}},
		{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(8080)}},
		{GRPC: &corev1.GRPCAction{Port: 9090}},
	}
	pod := newSample("served", corev1.Container{
		Name: "app", Image: "app",
		Ports:          []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}, {Name: "grpc", ContainerPort: 9090, Protocol: corev1.ProtocolTCP}},
		Env:            []corev1.EnvVar{{Name: "EXAMPLE", Value: "1"}},
		Resources:      corev1.ResourceRequirements{},
		ReadinessProbe: &corev1.Probe{ProbeHandler: handlers[0]}, LivenessProbe: &corev1.Probe{ProbeHandler: handlers[1]}, StartupProbe: &corev1.Probe{ProbeHandler: handlers[2]},
	})
	pod.Annotations = map[string]string{"prometheus.io/scrape": "true", "prometheus.io/port": "8080", "prometheus.io/path": "/metrics"}
	pod.Labels = map[string]string{"app": "served", "version": "v1", "app.kubernetes.io/name": "served", "pod-template-hash": "5d4f8c7b9"}
	pod.GenerateName = "served-5d4f8c7b9-"
	controller := true
	pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "served-5d4f8c7b9", UID: "0f6f6c5e-0000-4000-8000-000000000000", Controller: &controller}}
	return pod
}

// sampleVolume is a name that no template mounts by accident: a mount of a volume that
// the template lacks must fail on every sample.
const sampleVolume = "volume-of-the-sample"

// workloadSample has what pods with state have: volumes, init containers, a service
// account, a security context.
func workloadSample() *corev1.Pod {
	mount := []corev1.VolumeMount{{Name: sampleVolume, MountPath: "/" + sampleVolume}}
	pod := newSample("workload",
		corev1.Container{Name: "app", Image: "app", VolumeMounts: mount},
		corev1.Container{Name: "helper", Image: "helper", Ports: []corev1.ContainerPort{{ContainerPort: 7070}}})
	pod.Spec.InitContainers = []corev1.Container{{Name: "setup", Image: "setup", VolumeMounts: mount}}
	pod.Spec.Volumes = []corev1.Volume{{Name: sampleVolume, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	pod.Spec.ServiceAccountName = "example"
	user := int64(1000)
	pod.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsUser: &user, FSGroup: &user}
	return pod
}

// declaredSample declares a container of the templates itself, to set what these do not.
func declaredSample() *corev1.Pod {
	pod := newSample("declared",
		corev1.Container{Name: "app", Image: "app"},
		corev1.Container{Name: proxy.Name, Image: autoImage, Env: []corev1.EnvVar{{Name: "EXAMPLE", Value: "1"}}})
	pod.Spec.InitContainers = []corev1.Container{{Name: "setup", Image: "setup"}}
	return pod
}

// annotatedSamples ask for something by annotations: those that the engine reads, and
// that the templates of meshes read. What the configuration allows no pod is left out.
func (s *Snapshot) annotatedSamples() (out []*corev1.Pod) {
	for _, of := range []struct {
		name        string
		annotations map[string]string
	}{
		{"native", map[string]string{proxy.NativeSidecarKey: "true"}},
		{"not-native", map[string]string{proxy.NativeSidecarKey: "false"}},
		{"transparent", map[string]string{
			"sidecar.istio.io/interceptionMode":                     "TPROXY",
			"sidecar.istio.io/capNetBindService":                    "true",
			"sidecar.istio.io/proxyCPU":                             "100m",
			"sidecar.istio.io/proxyMemory":                          "128Mi",
			"sidecar.istio.io/proxyCPULimit":                        "1",
			"sidecar.istio.io/proxyMemoryLimit":                     "1Gi",
			"sidecar.istio.io/proxyImage":                           "registry.example.com/proxy:1",
			"sidecar.istio.io/bootstrapOverride":                    "bootstrap",
			"sidecar.istio.io/userVolume":                           `{"more":{"emptyDir":{}}}`,
			"sidecar.istio.io/userVolumeMount":                      `{"more":{"mountPath":"/more","readOnly":true}}`,
			"sidecar.istio.io/logLevel":                             "debug",
			"sidecar.istio.io/componentLogLevel":                    "misc:error",
			"sidecar.istio.io/agentLogLevel":                        "default:info",
			"traffic.sidecar.istio.io/includeOutboundIPRanges":      "10.0.0.0/8",
			"traffic.sidecar.istio.io/excludeOutboundIPRanges":      "10.1.0.0/16",
			"traffic.sidecar.istio.io/includeInboundPorts":          "8080",
			"traffic.sidecar.istio.io/excludeInboundPorts":          "9090",
			"traffic.sidecar.istio.io/includeOutboundPorts":         "80",
			"traffic.sidecar.istio.io/excludeOutboundPorts":         "443",
			"traffic.sidecar.istio.io/excludeInterfaces":            "eth1",
			"istio.io/reroute-virtual-interfaces":                   "net1",
			"status.sidecar.istio.io/port":                          "15021",
			"readiness.status.sidecar.istio.io/periodSeconds":       "3",
			"readiness.status.sidecar.istio.io/failureThreshold":    "5",
			"readiness.status.sidecar.istio.io/initialDelaySeconds": "2",
			"k8s.v1.cni.cncf.io/networks":                           "other",
			"kubectl.kubernetes.io/default-container":               "app",
		}},
		{"not-redirected", map[string]string{
			"sidecar.istio.io/interceptionMode":  "NONE",
			"sidecar.istio.io/capNetBindService": "true",
			"status.sidecar.istio.io/port":       "0",
			proxyConfigKey:                       "holdApplicationUntilProxyStarts: true\nproxyMetadata: {EXAMPLE: \"1\"}\n",
		}},
	} {
		pod := servedSample()
		pod.Name = of.name
		maps.Copy(pod.Annotations, of.annotations)
		maps.DeleteFunc(pod.Annotations, func(name, _ string) bool {
			return s.changesInjection(name) && !s.config.AllowedAnnotations.Allows(name)
		})
		out = append(out, pod)
	}
	// Of two that are the same now, one is enough.
	return slices.CompactFunc(out, func(a, b *corev1.Pod) bool { return maps.Equal(a.Annotations, b.Annotations) })
}

func newSample(name string, containers ...corev1.Container) *corev1.Pod {
	return &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{Kind: "Pod", APIVersion: "v1"},
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.PodSpec{Containers: containers},
	}
}
