package patch_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/patch"
)

// diffOf is patch.Diff, of which every use in a test must say the same as the
// ways that spare it something: what the two pods share is not looked at, and
// where no name is given twice nothing is looked for.
func diffOf(t testing.TB, raw []byte, before, after *corev1.Pod, extras ...patch.Extra) ([]byte, error) {
	t.Helper()
	want, wantErr := patch.Diff(raw, before, after, extras...)
	ways := map[string]func([]byte, *corev1.Pod, *corev1.Pod, ...patch.Extra) ([]byte, error){"Diff": patch.Diff}
	if jsontext.Value(raw).IsValid() { // which by default allows no name twice
		ways["DiffUnique"] = patch.DiffUnique
	}
	sharing := after.DeepCopy()
	share(reflect.ValueOf(before).Elem(), reflect.ValueOf(sharing).Elem())
	for name, way := range ways {
		for _, pod := range []*corev1.Pod{after, sharing} {
			got, err := way(raw, before, pod, extras...)
			if string(got) != string(want) || fmt.Sprint(err) != fmt.Sprint(wantErr) {
				t.Fatalf("%s, sharing memory %v: %s, error %v\nwant %s, error %v\nobject %s", name, pod == sharing, got, err, want, wantErr, raw)
			}
		}
	}
	return want, wantErr
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

// Of an object in which no name is given twice, nothing is looked at for what an
// injection usually does.
func TestWhatIsSharedIsNotLookedAt(t *testing.T) {
	raw := mustJSON(t, usualPod(3))
	before := decode(t, raw)
	after := inject(before)
	want, err := patch.Diff(raw, before, after)
	if err != nil {
		t.Fatal(err)
	}
	got, err := patch.DiffUnique([]byte("not looked at"), before, after)
	if err != nil || string(got) != string(want) {
		t.Errorf("got %s, error %v\nwant %s", got, err, want)
	}
}

// Sharing, the cost is that of what was done, not of the pod.
func TestCostIsThatOfTheChange(t *testing.T) {
	allocations := func(variables int) float64 {
		raw := mustJSON(t, usualPod(variables))
		before := decode(t, raw)
		after := inject(before)
		return testing.AllocsPerRun(20, func() {
			if _, err := patch.DiffUnique(raw, before, after); err != nil {
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
