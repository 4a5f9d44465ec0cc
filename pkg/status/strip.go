package status

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
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
func WithoutContainers(pod *corev1.Pod, s Status, o Overrides) *corev1.Pod {
	out := *pod
	out.Spec.Containers = stripped(pod.Spec.Containers, s.Containers, o.Containers)
	out.Spec.InitContainers = stripped(pod.Spec.InitContainers, s.InitContainers, o.InitContainers)
	out.Annotations = without(pod.Annotations, Key)
	return &out
}

// stripped returns the containers without those named. A saved container is put
// in the place of the injected one, so that the order stays the same however often
// a pod is injected; one whose place is unknown goes to the end.
func stripped(in []corev1.Container, names []string, saved []corev1.Container) []corev1.Container {
	out := make([]corev1.Container, 0, len(in)+len(saved))
	back := make([]bool, len(saved))
	for i := range in {
		if !slices.Contains(names, in[i].Name) {
			out = append(out, in[i])
			continue
		}
		if k := index(saved, in[i].Name); k >= 0 && !back[k] {
			out = append(out, saved[k])
			back[k] = true
		}
	}
	for k := range saved {
		if !back[k] && index(out, saved[k].Name) < 0 {
			out = append(out, saved[k])
		}
	}
	return out
}

// WithoutLists returns the pod without the volumes and image pull secrets that
// the status names. The given pod is not changed.
func WithoutLists(pod *corev1.Pod, s Status) *corev1.Pod {
	out := *pod
	out.Spec.Volumes = filter(pod.Spec.Volumes, func(v *corev1.Volume) bool {
		return !slices.Contains(s.Volumes, v.Name)
	})
	out.Spec.ImagePullSecrets = filter(pod.Spec.ImagePullSecrets, func(r *corev1.LocalObjectReference) bool {
		return !slices.Contains(s.ImagePullSecrets, r.Name)
	})
	return &out
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

func index(list []corev1.Container, name string) int {
	return slices.IndexFunc(list, func(c corev1.Container) bool { return c.Name == name })
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
