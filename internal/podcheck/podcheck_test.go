package podcheck

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func TestAValidPod(t *testing.T) {
	if p := append(problemsOf(valid()), unreadable(valid())...); len(p) > 0 {
		t.Errorf("got %+v", p)
	}
}

// What kubelets read, as github.com/distribution/reference v0.6.0 says of each of these.
func TestImages(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("a", 64)
	for image, readable := range map[string]bool{
		"a": true, "a/b:c": true, "a:5000/b": true, "a:5000/b:c": true, "A/b": true, "A.b/c": true, "a/B": false, "B": false, "localhost/a": true,
		"a" + digest: true, "a:b" + digest: true, "a@sha256:aa": false, "a@": false, "a:": false, ":a": false, "a//b": false, "/a": false, "a/": false,
		"a__b": true, "a___b": false, "a-b--c": true, "a.-b": false, "a-": false, "_": false, ".": false, "..": false, "-1": false, "1": true,
		"[::1]:5000/a": true, "[::1/a": false, "-a.b/c": false, "<no value>/x": false, "<no value>": false, "auto": true,
		"docker.io/istio/proxyv2:1.27.1": true, "proxy:<no value>": false, "x:" + strings.Repeat("y", 128): true, "x:" + strings.Repeat("y", 129): false,
		strings.Repeat("a", 247): true, strings.Repeat("a", 248): false, "a/" + strings.Repeat("a", 253): true, strings.Repeat("a", 64): false, strings.Repeat("b", 63): true,
		"example.com:x/a": false, "null/proxyv2:null": true, "é/a": false, "a b/c": false, "a=b": false, "$(A)": false, "10.0.0.1": true, "X_Bad": false,
		"": true, " a": true, // these are problemsOf's
	} {
		pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: image}}}}
		if got := unreadable(pod); (len(got) == 0) != readable {
			t.Errorf("%q: got %+v", image, got)
		}
	}
}

// Only what an injection adds is judged.
func TestAdded(t *testing.T) {
	before := valid()
	before.Spec.Containers[0].Name = "X_Bad"
	after := before.DeepCopy()
	after.Spec.Containers = append([]corev1.Container{{Name: "Y_Bad", Image: "<no value>"}}, after.Spec.Containers...)
	got := append(Added(before, after), AddedImages(before, after)...)
	if len(got) != 2 || got[0].Path != "spec.containers[Y_Bad].name" || got[0].Place != "spec.containers[0].name" || got[0].Value != "Y_Bad" || got[1].Path != "spec.containers[Y_Bad].image" {
		t.Errorf("got %+v", got)
	}
}

// valid is a pod with nearly everything that problemsOf looks at, which API servers accept.
func valid() *corev1.Pod {
	q := resource.MustParse
	probe := func(h corev1.ProbeHandler) *corev1.Probe {
		return &corev1.Probe{ProbeHandler: h, PeriodSeconds: 3, FailureThreshold: 4, SuccessThreshold: 1}
	}
	http := corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/", Port: intstr.FromString("http"), HTTPHeaders: []corev1.HTTPHeader{{Name: "X-A", Value: "b"}}}}
	return &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{
			Name: "sample", Labels: map[string]string{"app": "a", "example.com/b": "c"}, Annotations: map[string]string{"example.com/Note": "x"},
		},
		Spec: corev1.PodSpec{
			Hostname: "host", Subdomain: "sub", PriorityClassName: "", RestartPolicy: corev1.RestartPolicyAlways,
			TerminationGracePeriodSeconds: new(int64(30)),
			NodeSelector:                  map[string]string{"disk": "ssd"},
			HostAliases:                   []corev1.HostAlias{{IP: "10.0.0.1", Hostnames: []string{"a.b"}}},
			DNSPolicy:                     corev1.DNSNone,
			DNSConfig:                     &corev1.PodDNSConfig{Nameservers: []string{"10.0.0.2"}, Searches: []string{"a.b"}, Options: []corev1.PodDNSConfigOption{{Name: "ndots"}}},
			ImagePullSecrets:              []corev1.LocalObjectReference{{Name: "pull"}},
			SecurityContext: &corev1.PodSecurityContext{
				RunAsUser: new(int64(1)), RunAsGroup: new(int64(2)), FSGroup: new(int64(3)), SupplementalGroups: []int64{4},
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			Volumes: []corev1.Volume{
				{Name: "empty", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{Medium: "Memory", SizeLimit: new(q("1Gi"))}}},
				{Name: "secret", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "s", DefaultMode: new(int32(0o400)), Items: []corev1.KeyToPath{{Key: "k", Path: "a/b"}}}}},
				{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "c"}}}},
				{Name: "host", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/var", Type: new(corev1.HostPathDirectory)}}},
				{Name: "claim", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "claim"}}},
				{Name: "nfs", VolumeSource: corev1.VolumeSource{NFS: &corev1.NFSVolumeSource{Server: "s", Path: "/p"}}},
				{Name: "csi", VolumeSource: corev1.VolumeSource{CSI: &corev1.CSIVolumeSource{Driver: "csi.example.com"}}},
				{Name: "podinfo", VolumeSource: corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{Items: []corev1.DownwardAPIVolumeFile{
					{Path: "labels", FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.labels"}},
					{Path: "cpu", ResourceFieldRef: &corev1.ResourceFieldSelector{ContainerName: "app", Resource: "limits.cpu", Divisor: q("1m")}},
				}}}},
				{Name: "projected", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
					{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Audience: "a", ExpirationSeconds: new(int64(3600)), Path: "token"}},
					{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: corev1.LocalObjectReference{Name: "ca"}}},
					{Secret: &corev1.SecretProjection{LocalObjectReference: corev1.LocalObjectReference{Name: "ca"}}},
				}}}},
			},
			InitContainers: []corev1.Container{
				{Name: "init", Image: "init", Command: []string{"true"}, Ports: []corev1.ContainerPort{{ContainerPort: 1, HostPort: 5000}}},
				{
					Name: "native", Image: "native", RestartPolicy: new(corev1.ContainerRestartPolicyAlways),
					StartupProbe: probe(corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"true"}}}),
					Lifecycle:    &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: 5}}},
				},
			},
			Containers: []corev1.Container{
				{
					Name: "app", Image: "registry.example.com:5000/a/b:1", ImagePullPolicy: corev1.PullAlways, TerminationMessagePolicy: corev1.TerminationMessageReadFile,
					Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080, Protocol: corev1.ProtocolTCP, HostPort: 5000}, {ContainerPort: 8080, Protocol: corev1.ProtocolUDP, HostPort: 5000}},
					Env: []corev1.EnvVar{
						{Name: "A", Value: "1"},
						{Name: "A", Value: "2"},
						{Name: "B", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.labels['app']"}}},
						{Name: "C", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "s"}, Key: "k"}}},
						{Name: "D", ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "s"}, Key: "k"}}},
						{Name: "E", ValueFrom: &corev1.EnvVarSource{ResourceFieldRef: &corev1.ResourceFieldSelector{Resource: "limits.memory", Divisor: q("1Mi")}}},
					},
					EnvFrom:      []corev1.EnvFromSource{{Prefix: "P_", ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "c"}}}},
					VolumeMounts: []corev1.VolumeMount{{Name: "empty", MountPath: "/a", SubPath: "x"}, {Name: "secret", MountPath: "/b", SubPathExpr: "$(A)"}, {Name: "host", MountPath: "/c", MountPropagation: new(corev1.MountPropagationHostToContainer)}},
					Resources: corev1.ResourceRequirements{
						Limits:   corev1.ResourceList{"cpu": q("2"), "memory": q("1Gi"), "hugepages-2Mi": q("4Mi"), "example.com/gpu": q("2")},
						Requests: corev1.ResourceList{"cpu": q("100m"), "memory": q("1Gi"), "example.com/gpu": q("2"), "ephemeral-storage": q("1Gi")},
					},
					LivenessProbe: probe(http), ReadinessProbe: probe(corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(80)}}),
					StartupProbe: probe(corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: 90}}),
					Lifecycle:    &corev1.Lifecycle{PostStart: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"true"}}}},
					SecurityContext: &corev1.SecurityContext{
						RunAsUser: new(int64(1)), RunAsGroup: new(int64(1)), AllowPrivilegeEscalation: new(false), Privileged: new(false),
						Capabilities:   &corev1.Capabilities{Add: []corev1.Capability{"NET_ADMIN"}, Drop: []corev1.Capability{"ALL"}},
						SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeLocalhost, LocalhostProfile: new("a/b")},
					},
				},
				{Name: "second", Image: "second", VolumeMounts: []corev1.VolumeMount{{Name: "projected", MountPath: "/p"}}},
			},
		},
	}
}
