// Package pods makes the pods that the benchmarks inject: three shapes, and any
// number of different pods of each.
package pods

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// FolderEnv names the folder with hello.json, typical.json and env2000.json that
// Shapes reads instead of making the pods itself.
const FolderEnv = "BENCH_PODS"

// Shape is a pod to be measured with.
type Shape struct {
	Name string
	Pod  *corev1.Pod
}

// Shapes returns the three pods: hello, as small as pods get (0.6 KB); typical,
// two containers with what API servers add to them (8 KB as indented JSON); and
// env2000, the same with 2,000 environment variables. With a folder, which may
// be empty for none, they are read from there.
func Shapes(folder string) ([]Shape, error) {
	made := []Shape{{"hello", Hello()}, {"typical", WithVariables(20)}, {"env2000", WithVariables(1000)}}
	if folder == "" {
		return made, nil
	}
	for i := range made {
		path := filepath.Join(folder, made[i].Name+".json")
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", FolderEnv, err)
		}
		made[i].Pod = new(corev1.Pod)
		if err := json.Unmarshal(data, made[i].Pod); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", FolderEnv, path, err)
		}
	}
	return made, nil
}

// Hello is the smallest pod that a controller would make.
func Hello() *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			GenerateName:    "hello-6f5d-",
			Labels:          map[string]string{"app": "hello", "pod-template-hash": "6f5d", "tier": "backend", "track": "stable"},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "hello-6f5d", Controller: new(true)}},
		},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "hello", Image: "registry.example.com/samples/hello-web:1.0",
			Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 80}},
		}}},
	}
}

// WithVariables is a pod of two containers as an API server sends it, with n
// environment variables in each.
func WithVariables(n int) *corev1.Pod {
	token := corev1.VolumeMount{Name: "kube-api-access-x7k2p", ReadOnly: true, MountPath: "/var/run/secrets/kubernetes.io/serviceaccount"}
	pod := &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{
			Name: "shop-7d9c5b8f6d-x2k4p", GenerateName: "shop-7d9c5b8f6d-", Namespace: "default",
			UID:         "0f3c1c1e-8f0e-4a57-9c3e-1f2d3a4b5c6d",
			Labels:      map[string]string{"app": "shop", "version": "v1", "pod-template-hash": "7d9c5b8f6d"},
			Annotations: map[string]string{"prometheus.io/scrape": "true", "prometheus.io/port": "9090"},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "shop-7d9c5b8f6d", UID: "a",
				Controller: new(true), BlockOwnerDeletion: new(true),
			}},
			ManagedFields: []metav1.ManagedFieldsEntry{{
				Manager: "kube-controller-manager", Operation: metav1.ManagedFieldsOperationUpdate,
				APIVersion: "v1", FieldsType: "FieldsV1",
				FieldsV1: metav1.NewFieldsV1(`{"f:metadata":{"f:generateName":{},"f:labels":{".":{},"f:app":{}}}}`),
			}},
		},
		Spec: corev1.PodSpec{
			Volumes: volumes(),
			InitContainers: []corev1.Container{{
				Name: "migrate", Image: "registry.example.com/team/migrate:1", VolumeMounts: []corev1.VolumeMount{token},
				TerminationMessagePath: "/dev/termination-log", TerminationMessagePolicy: corev1.TerminationMessageReadFile,
				ImagePullPolicy: corev1.PullIfNotPresent,
			}},
			Containers:                    []corev1.Container{container(0, n, token), container(1, n, token)},
			RestartPolicy:                 corev1.RestartPolicyAlways,
			TerminationGracePeriodSeconds: new(int64(30)),
			DNSPolicy:                     corev1.DNSClusterFirst,
			ServiceAccountName:            "shop", DeprecatedServiceAccount: "shop",
			SecurityContext: &corev1.PodSecurityContext{}, SchedulerName: "default-scheduler",
			Priority: new(int32(0)), EnableServiceLinks: new(true), PreemptionPolicy: new(corev1.PreemptLowerPriority),
		},
	}
	for _, key := range []string{"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"} {
		pod.Spec.Tolerations = append(pod.Spec.Tolerations, corev1.Toleration{
			Key: key, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: new(int64(300)),
		})
	}
	return pod
}

func container(i, variables int, token corev1.VolumeMount) corev1.Container {
	web, metrics := fmt.Sprintf("http%d", i), fmt.Sprintf("metrics%d", i)
	c := corev1.Container{
		Name: fmt.Sprintf("app%d", i), Image: fmt.Sprintf("registry.example.com/team/app:%d.4.2", i),
		ImagePullPolicy: corev1.PullIfNotPresent,
		Ports: []corev1.ContainerPort{
			{Name: web, ContainerPort: int32(8080 + i), Protocol: corev1.ProtocolTCP},
			{Name: metrics, ContainerPort: int32(9090 + i), Protocol: corev1.ProtocolTCP},
		},
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{"cpu": resource.MustParse("100m"), "memory": resource.MustParse("128Mi")},
			Limits:   corev1.ResourceList{"memory": resource.MustParse("256Mi")},
		},
		VolumeMounts:           []corev1.VolumeMount{token, {Name: "config", MountPath: "/etc/app"}},
		LivenessProbe:          probe("/healthz", intstr.FromString(web)),
		ReadinessProbe:         probe("/ready", intstr.FromInt(8080+i)),
		TerminationMessagePath: "/dev/termination-log", TerminationMessagePolicy: corev1.TerminationMessageReadFile,
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: new(false), RunAsNonRoot: new(true),
			Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
	}
	for v := range variables {
		c.Env = append(c.Env, corev1.EnvVar{Name: fmt.Sprintf("SOMETHING_%d", v), Value: "blah"})
	}
	return c
}

func probe(path string, port intstr.IntOrString) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler:   corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: port, Scheme: corev1.URISchemeHTTP}},
		TimeoutSeconds: 1, PeriodSeconds: 10, SuccessThreshold: 1, FailureThreshold: 3,
	}
}

func volumes() []corev1.Volume {
	mode := new(int32(420))
	return []corev1.Volume{
		{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: "shop"}, DefaultMode: mode,
		}}},
		{Name: "kube-api-access-x7k2p", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
			DefaultMode: mode,
			Sources: []corev1.VolumeProjection{
				{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{ExpirationSeconds: new(int64(3607)), Path: "token"}},
				{ConfigMap: &corev1.ConfigMapProjection{
					LocalObjectReference: corev1.LocalObjectReference{Name: "kube-root-ca.crt"},
					Items:                []corev1.KeyToPath{{Key: "ca.crt", Path: "ca.crt"}},
				}},
				{DownwardAPI: &corev1.DownwardAPIProjection{Items: []corev1.DownwardAPIVolumeFile{{
					Path: "namespace", FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.namespace"},
				}}}},
			},
		}}},
	}
}
