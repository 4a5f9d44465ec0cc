package status

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
)

// Legacy returns the names that the first injectors used. The classic dialect
// takes them as injected when a pod's status cannot be read.
func Legacy() Status {
	return Status{
		InitContainers: []string{"istio-init", "enable-core-dump"},
		Containers:     []string{"istio-proxy"},
		Volumes:        []string{"istio-certs", "istio-envoy"},
	}
}

// WithoutContainers returns the pod without the containers that the status names
// and without the status annotation. Where the user had declared one of these
// containers, the user's is put back. The given pod is not changed; the result
// shares with it what is the same.
func WithoutContainers(pod *podmodel.Pod, s Status, o Overrides) *podmodel.Pod {
	out := pod.Copy()
	out.Spec.Containers = restored(out, podmodel.AppContainers, out.Spec.Containers, s.Containers, o.Containers)
	out.Spec.InitContainers = restored(out, podmodel.InitContainers, out.Spec.InitContainers, s.InitContainers, o.InitContainers)
	out.Annotations = without(pod.Annotations, Key)
	return out
}

// restored returns a list of the pod's containers without the injected ones. A saved
// container is put in the place of the injected one, so that the order stays the
// same however often a pod is injected; one whose place is unknown goes to the end.
func restored(pod *podmodel.Pod, list podmodel.Containers, in []corev1.Container, injected []string, saved []podmodel.Container) []corev1.Container {
	out := make([]corev1.Container, 0, len(in)+len(saved))
	back := make([]bool, len(saved))
	at := make(map[string]int, len(saved)) // the first of each name
	for k := range slices.Backward(saved) {
		at[saved[k].Name] = k
	}
	gone := setOf(injected)
	unknown := pod.ContainersUnknown(list).Clone()
	restore := func(k int) {
		out = append(out, saved[k].Container)
		unknown.SetBelow(saved[k].Name, saved[k].Unknown)
		back[k] = true
	}
	for i := range in {
		name := in[i].Name
		if !gone[name] {
			out = append(out, in[i])
			continue
		}
		unknown.SetBelow(name, nil)
		if k, ok := at[name]; ok && !back[k] {
			restore(k)
		}
	}
	there := make(map[string]bool, len(out))
	for i := range out {
		there[out[i].Name] = true
	}
	for k := range saved {
		if !back[k] && !there[saved[k].Name] {
			there[saved[k].Name] = true
			restore(k)
		}
	}
	pod.SetContainersUnknown(list, unknown)
	return out
}

// WithoutLists returns the pod without the volumes and image pull secrets that
// the status names. The pod given is not changed.
func WithoutLists(pod *podmodel.Pod, s Status) *podmodel.Pod {
	out := pod.Copy()
	volumes, secrets := setOf(s.Volumes), setOf(s.ImagePullSecrets)
	out.Spec.Volumes = filter(pod.Spec.Volumes, func(v *corev1.Volume) bool { return !volumes[v.Name] })
	out.Spec.ImagePullSecrets = filter(pod.Spec.ImagePullSecrets, func(r *corev1.LocalObjectReference) bool { return !secrets[r.Name] })
	return out
}

func setOf(names []string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return set
}

func filter[T any](in []T, keep func(*T) bool) []T {
	var out []T
	for i := range in {
		if keep(&in[i]) {
			out = append(out, in[i])
		}
	}
	return out
}

// without returns a copy of a map without one key.
func without(m map[string]string, key string) map[string]string {
	if _, ok := m[key]; !ok {
		return m
	}
	out := maps.Clone(m)
	delete(out, key)
	return out
}
