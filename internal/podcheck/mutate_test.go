package podcheck

import (
	"math/rand/v2"
	"reflect"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// valid is a pod with nearly everything that Check looks at, which API servers accept.
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
						{Name: "A", Value: "1"}, {Name: "A", Value: "2"},
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

// odd are texts that some rule refuses, or that others take for odd and are not.
var odd = []string{
	"", " ", "a", "A", "X_Bad", "a b", " a", "a ", "-", "a-", "1", "-1", "a.b", "a..b", "a/b", "/a", "../a", "a/../b", "..", "é", "a=b", "a:b", "a\nb", "$(A)", "_", ".",
	strings.Repeat("a", 63), strings.Repeat("a", 64), strings.Repeat("a", 254), "example.com/x", "http", "second", "app", "init", "empty", "secret", "/b", "10.0.0.1", "::1",
	"Always", "Never", "OnFailure", "IfNotPresent", "always", "TCP", "tcp", "SCTP", "HTTPS", "Localhost", "Unconfined", "RuntimeDefault", "None", "Bidirectional", "Default", "Directory",
	"metadata.name", "metadata.nmae", "metadata.labels", "status.podIP", "spec.nodeName", "limits.cpu", "limits.hugepages-2Mi", "requests.memroy", "v1", "v2", "CAP_SYS_ADMIN", "<no value>",
}

var oddNumbers = []int64{-1, 0, 1, 2, 31, 80, 511, 512, 599, 600, 5000, 65535, 65536, 1 << 31, 1<<32 + 1}

var oddQuantities = []string{"-1", "0", "1", "1m", "0.0001", "0.5", "1Gi", "3Gi", "3Mi", "100", "2"}

var oddResources = []corev1.ResourceName{"cpu", "memory", "gpu", "hugepages-2Mi", "hugepages-x", "example.com/gpu", "requests.example.com/gpu", "kubernetes.io/x", "ephemeral-storage", "storage", "a/b/c"}

// mutate changes one thing in a value, at random.
func mutate(r *rand.Rand, v reflect.Value) {
	var places []func()
	collect(r, v, &places)
	places[r.IntN(len(places))]()
}

// collect gathers what can be changed.
func collect(r *rand.Rand, v reflect.Value, places *[]func()) {
	add := func(f func()) { *places = append(*places, f) }
	switch of := v.Addr().Interface().(type) {
	case *resource.Quantity:
		add(func() { *of = resource.MustParse(oddQuantities[r.IntN(len(oddQuantities))]) })
		return
	case *intstr.IntOrString:
		add(func() { *of = intstr.FromInt32(int32(oddNumbers[r.IntN(len(oddNumbers))])) })
		add(func() { *of = intstr.FromString(odd[r.IntN(len(odd))]) })
		return
	case *corev1.ResourceList:
		add(func() {
			if *of == nil {
				*of = corev1.ResourceList{}
			}
			(*of)[oddResources[r.IntN(len(oddResources))]] = resource.MustParse(oddQuantities[r.IntN(len(oddQuantities))])
		})
		add(func() { *of = nil })
		return
	case *metav1.Time, *metav1.MicroTime:
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			switch v.Type().Field(i).Name {
			case "TypeMeta", "Status", "Name", "Namespace", "OwnerReferences", "EphemeralContainers", "ServiceAccountName", "DeprecatedServiceAccount",
				"NodeName", "PriorityClassName", "RuntimeClassName", "HostUsers", "OS", "Overhead", "Priority", "ManagedFields", "WindowsOptions", "UID", "GenerateName", "ResourceVersion", "Generation":
				// They depend on the cluster, or the server ignores or sets them.
				if v.Type().Field(i).Name != "Name" || v.Type() == reflect.TypeFor[metav1.ObjectMeta]() {
					continue
				}
			}
			collect(r, v.Field(i), places)
		}
	case reflect.Pointer:
		if v.IsNil() {
			add(func() { v.Set(reflect.New(v.Type().Elem())) })
			return
		}
		add(func() { v.SetZero() })
		collect(r, v.Elem(), places)
	case reflect.Slice:
		if v.Len() == 0 {
			add(func() { v.Set(reflect.MakeSlice(v.Type(), 1, 1)) })
			return
		}
		add(func() { v.Set(reflect.Append(v, v.Index(r.IntN(v.Len())))) })
		add(func() { v.Set(v.Slice(1, v.Len())) })
		for i := range v.Len() {
			collect(r, v.Index(i), places)
		}
	case reflect.Map:
		if v.Type().Elem().Kind() == reflect.String {
			add(func() {
				if v.IsNil() {
					v.Set(reflect.MakeMap(v.Type()))
				}
				v.SetMapIndex(reflect.ValueOf(odd[r.IntN(len(odd))]), reflect.ValueOf(odd[r.IntN(len(odd))]))
			})
		}
	case reflect.String:
		for range 2 { // texts have the most rules
			add(func() { v.SetString(odd[r.IntN(len(odd))]) })
		}
	case reflect.Bool:
		add(func() { v.SetBool(!v.Bool()) })
	case reflect.Int32, reflect.Int64:
		add(func() {
			n := oddNumbers[r.IntN(len(oddNumbers))]
			if v.Kind() == reflect.Int32 {
				n = int64(int32(n))
			}
			v.SetInt(n)
		})
	}
}
