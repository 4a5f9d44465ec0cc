package post

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// KeepOrder gives the items of lists that were there before the order that they
// had before, in the places that they have now. A second injection would
// otherwise move what the first one has appended, as merging follows the order
// of the template.
func KeepOrder(before, after *corev1.PodSpec) {
	keepContainers(before, after.Containers)
	keepContainers(before, after.InitContainers)
	after.Volumes = keep(before.Volumes, after.Volumes, func(v *corev1.Volume) string { return v.Name })
	after.ImagePullSecrets = keep(before.ImagePullSecrets, after.ImagePullSecrets, func(r *corev1.LocalObjectReference) string { return r.Name })
}

func keepContainers(before *corev1.PodSpec, list []corev1.Container) {
	for i := range list {
		c := &list[i]
		was := FindAnywhere(before, c.Name)
		if was == nil {
			continue
		}
		c.Env = keep(was.Env, c.Env, func(e *corev1.EnvVar) string { return e.Name })
		c.VolumeMounts = keep(was.VolumeMounts, c.VolumeMounts, func(m *corev1.VolumeMount) string { return m.MountPath })
	}
}

// keep returns the list in the order described above; the list given is not
// changed. Lists with a key that comes twice are left alone: for environment
// variables the order of those has a meaning.
func keep[T any](before, after []T, key func(*T) string) []T {
	place := make(map[string]int, len(before))
	for i := range before {
		place[key(&before[i])] = i
	}
	var at []int
	seen := map[string]bool{}
	for i := range after {
		k := key(&after[i])
		if seen[k] {
			return after
		}
		seen[k] = true
		if _, ok := place[k]; ok {
			at = append(at, i)
		}
	}
	byPlace := func(i, j int) int { return place[key(&after[i])] - place[key(&after[j])] }
	if len(place) != len(before) || slices.IsSortedFunc(at, byPlace) {
		return after
	}
	out := slices.Clone(after)
	for n, i := range slices.SortedFunc(slices.Values(at), byPlace) {
		out[at[n]] = after[i]
	}
	return out
}
