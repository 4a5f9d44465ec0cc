package patch_test

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/patch"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
)

// diffOf is patch.Diff of raw and what after has of it: unknown fields stay where
// they are, and those of a container follow it to the other list. What the two pods
// share must make no difference.
func diffOf(t testing.TB, raw []byte, before, after *corev1.Pod) ([]byte, error) {
	t.Helper()
	decoded, err := podmodel.Decode(context.Background(), raw)
	if err != nil {
		t.Fatal(err)
	}
	was := &podmodel.Pod{Pod: before, Unknown: decoded.Unknown, Ambiguous: decoded.Ambiguous}
	is := follow(was, after)
	want, wantErr := patch.Diff(context.Background(), was, is)
	sharing := after.DeepCopy()
	share(reflect.ValueOf(before).Elem(), reflect.ValueOf(sharing).Elem())
	got, err := patch.Diff(context.Background(), was, &podmodel.Pod{Pod: sharing, Unknown: is.Unknown})
	if string(got) != string(want) || fmt.Sprint(err) != fmt.Sprint(wantErr) {
		t.Fatalf("sharing memory: %s, error %v\nwant %s, error %v\nobject %s", got, err, want, wantErr, raw)
	}
	return want, wantErr
}

// follow returns the pod that before has become.
func follow(before *podmodel.Pod, after *corev1.Pod) *podmodel.Pod {
	out := &podmodel.Pod{Pod: after, Unknown: before.Unknown}
	has := func(list []corev1.Container, name string) bool {
		return slices.ContainsFunc(list, func(c corev1.Container) bool { return c.Name == name })
	}
	cross := func(from, to []corev1.Container, fromList, toList podmodel.Containers, gone []corev1.Container) {
		for _, c := range from {
			if has(to, c.Name) && !has(gone, c.Name) {
				out.MoveUnknown(c.Name, fromList, toList)
			}
		}
	}
	cross(before.Spec.Containers, after.Spec.InitContainers, podmodel.AppContainers, podmodel.InitContainers, before.Spec.InitContainers)
	cross(before.Spec.InitContainers, after.Spec.Containers, podmodel.InitContainers, podmodel.AppContainers, before.Spec.Containers)
	return out
}

// share lets after hold before's memory wherever the two are equal.
func share(before, after reflect.Value) {
	if reflect.DeepEqual(before.Interface(), after.Interface()) {
		after.Set(before)
		return
	}
	switch after.Kind() {
	case reflect.Struct:
		for i := range after.NumField() {
			if after.Type().Field(i).IsExported() {
				share(before.Field(i), after.Field(i))
			}
		}
	case reflect.Pointer:
		if !before.IsNil() && !after.IsNil() {
			share(before.Elem(), after.Elem())
		}
	case reflect.Slice:
		for i := range min(before.Len(), after.Len()) {
			share(before.Index(i), after.Index(i))
		}
	}
}

// Sharing, the cost is that of what was done, not of the pod.
func TestCostIsThatOfTheChange(t *testing.T) {
	allocations := func(variables int) float64 {
		before := &podmodel.Pod{Pod: decode(t, mustJSON(t, usualPod(variables)))}
		after := &podmodel.Pod{Pod: inject(before.Pod)}
		return testing.AllocsPerRun(20, func() {
			if _, err := patch.Diff(context.Background(), before, after); err != nil {
				t.Fatal(err)
			}
		})
	}
	small, large := allocations(1), allocations(5000)
	if small > 60 || large > small {
		t.Errorf("%v allocations for a pod with one variable, %v for one with 5,000", small, large)
	}
}

// usualPod is a pod as an API server sends it.
func usualPod(variables int) *corev1.Pod {
	p := &corev1.Pod{}
	p.Name, p.Namespace = "shop-1", "default"
	p.Labels = map[string]string{"app": "shop", "version": "v1", "pod-template-hash": "5f6d8c7b9"}
	p.Annotations = map[string]string{"note": "a"}
	app := corev1.Container{Name: "app", Image: "registry.example.com/shop:1", Args: []string{"serve", "--port", "8080"}}
	app.Ports = []corev1.ContainerPort{{Name: "http", ContainerPort: 8080, Protocol: corev1.ProtocolTCP}}
	for i := range variables {
		app.Env = append(app.Env, corev1.EnvVar{Name: fmt.Sprint("VARIABLE_", i), Value: "some value of some length"})
	}
	app.ReadinessProbe = probe(8080)
	p.Spec.Containers = []corev1.Container{app}
	p.Spec.Volumes = []corev1.Volume{{Name: "token"}}
	p.Spec.Tolerations = []corev1.Toleration{{Key: "node.kubernetes.io/not-ready", Operator: corev1.TolerationOpExists}}
	p.Spec.SecurityContext = &corev1.PodSecurityContext{}
	return p
}

// inject does to a pod what an injection does, and shares the rest with it.
func inject(pod *corev1.Pod) *corev1.Pod {
	after := *pod
	after.Annotations = maps.Clone(after.Annotations)
	after.Annotations["sidecar.istio.io/status"] = `{"containers":["istio-proxy"],"revision":"default"}`
	after.Labels = maps.Clone(after.Labels)
	after.Labels["istio.io/rev"] = "default"
	after.Spec.Containers = slices.Clone(after.Spec.Containers)
	after.Spec.Containers[0].ReadinessProbe = probe(15020)
	after.Spec.Containers = append(after.Spec.Containers, proxy())
	after.Spec.InitContainers = []corev1.Container{{Name: "istio-init", Image: "registry.example.com/proxy:1", Args: []string{"istio-iptables", "-p", "15001"}}}
	after.Spec.Volumes = append([]corev1.Volume{
		{Name: "workload-socket", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
		{Name: "istio-envoy", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory}}},
	}, after.Spec.Volumes...)
	return &after
}

func proxy() corev1.Container {
	c := corev1.Container{Name: "istio-proxy", Image: "registry.example.com/proxy:1", Args: []string{"proxy", "sidecar", "--domain", "$(POD_NAMESPACE).svc.cluster.local"}}
	for i := range 25 {
		v := corev1.EnvVar{Name: fmt.Sprint("PROXY_VARIABLE_", i), Value: `{"a":"value"}`}
		if i%3 == 0 {
			v.Value, v.ValueFrom = "", &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}
		}
		c.Env = append(c.Env, v)
	}
	c.Ports = []corev1.ContainerPort{{Name: "http-envoy-prom", ContainerPort: 15090, Protocol: corev1.ProtocolTCP}}
	c.ReadinessProbe, c.StartupProbe = probe(15021), probe(15021)
	for _, list := range []*corev1.ResourceList{&c.Resources.Limits, &c.Resources.Requests} {
		*list = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("128Mi")}
	}
	for i := range 6 {
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: fmt.Sprint("volume-", i), MountPath: fmt.Sprint("/var/run/", i)})
	}
	return c
}

func probe(port int32) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/ready", Port: intstr.FromInt32(port)}},
		PeriodSeconds: 10,
	}
}
