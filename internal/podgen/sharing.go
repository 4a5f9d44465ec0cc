package podgen

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// CheckSharing calls a step on generated pods that share memory with others, and
// returns an error when it writes to what they share or never changes anything.
// The pod that the step gets is a copy of a shared one, as prepare makes it; other
// is a second pod, which the step may refer to and must not change.
func CheckSharing(prepare func(*corev1.Pod) *corev1.Pod, step func(pod, other *corev1.Pod)) error {
	changes := false
	for seed := range uint64(16) {
		shared, other := injectedPod(seed), injectedPod(seed+2)
		addRoom(reflect.ValueOf(shared))
		addRoom(reflect.ValueOf(other))
		sharedBefore, otherBefore := shared.DeepCopy(), other.DeepCopy()
		pod := prepare(shared)
		before := pod.DeepCopy()
		step(pod, other)
		if !reflect.DeepEqual(shared, sharedBefore) || !reflect.DeepEqual(other, otherBefore) {
			return fmt.Errorf("seed %d: memory that is shared has been written to", seed)
		}
		if !roomIsEmpty(reflect.ValueOf(shared)) || !roomIsEmpty(reflect.ValueOf(other)) {
			return fmt.Errorf("seed %d: an item has been appended to a list that is shared", seed)
		}
		changes = changes || !reflect.DeepEqual(pod, before)
	}
	if !changes {
		return errors.New("the step has never changed anything")
	}
	return nil
}

// injectedPod returns a generated pod with containers, variables, probes and hooks as
// an injection leaves them.
func injectedPod(seed uint64) *corev1.Pod {
	g := New(seed)
	g.Fill = 50
	pod := Typed[corev1.Pod](g)
	spec := &pod.Spec
	inject := func(list []corev1.Container, names ...string) []corev1.Container {
		for len(list) < len(names) {
			list = append(list, *Typed[corev1.Container](g))
		}
		for i, name := range names {
			c := &list[i]
			c.Name = name
			c.Args = []string{"-u", "1337", "--statusPort", "15020"}
			c.Env = []corev1.EnvVar{
				{Name: "ENVOY_SECURE_MERGED_METRICS_PORT", Value: "1"},
				{Name: "ISTIO_META_CLUSTER_ID", Value: "before"},
				{Name: "ISTIO_KUBE_APP_PROBERS", Value: `{"/app-health/app/readyz": {"httpGet": {"path": "/was", "port": 1}}, "/app-lifecycle/app/prestopz": {"tcpSocket": {"port": 2}}}`},
				{Name: "ISTIO_PROMETHEUS_ANNOTATIONS", Value: `{"scrape": "true", "port": "1", "targets": [{"port": "1", "path": "/"}]}`},
			}
			if seed%4 < 2 {
				slices.Reverse(c.Env)
			}
			c.VolumeMounts = []corev1.VolumeMount{{Name: "t", MountPath: "/var/run/secrets/kubernetes.io/serviceaccount"}}
			c.Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/app-lifecycle/app/prestopz"}}}
			c.ReadinessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/app-health/app/readyz"}}}
		}
		return list
	}
	if seed%2 == 0 {
		spec.Containers = inject(spec.Containers, "istio-proxy", "app")
		spec.InitContainers = inject(spec.InitContainers, "istio-init", "istio-validation", "enable-core-dump")
	} else {
		spec.Containers = inject(spec.Containers, "app", "other")
		spec.InitContainers = inject(spec.InitContainers, "istio-validation", "istio-proxy")
	}
	return pod
}

// addRoom gives every list in a value room for one more item: an append to a list
// that is shared would write there.
func addRoom(v reflect.Value) {
	eachList(v, func(list reflect.Value) {
		grown := reflect.MakeSlice(list.Type(), list.Len(), list.Len()+1)
		reflect.Copy(grown, list)
		list.Set(grown)
	})
}

// roomIsEmpty reports whether nothing has been written into that room.
func roomIsEmpty(v reflect.Value) bool {
	empty := true
	eachList(v, func(list reflect.Value) {
		empty = empty && list.Slice(0, list.Cap()).Index(list.Len()).IsZero()
	})
	return empty
}

func eachList(v reflect.Value, do func(list reflect.Value)) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			eachList(v.Elem(), do)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				eachList(v.Field(i), do)
			}
		}
	case reflect.Slice:
		if v.IsNil() {
			return
		}
		do(v)
		for i := range v.Len() {
			eachList(v.Index(i), do)
		}
	}
}
