package proxy

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Order moves the containers that templates give to their places. With proxyFirst
// the application waits for the proxy, whose container must therefore start first;
// else the proxy goes last, because commands take the first container by default,
// which should be the application's.
//
// With the proxy among the init containers (a native sidecar), traffic is
// redirected before any other init container runs. Without, it is redirected after
// all others, which could not reach anything through a proxy that has not started;
// only the validation runs first, to stop a pod whose traffic would bypass the
// proxy.
func Order(pod *corev1.Pod, proxyFirst bool) {
	if proxyFirst {
		moveToFront(pod.Spec.Containers, Name)
	} else {
		moveToBack(pod.Spec.Containers, Name)
	}
	init := pod.Spec.InitContainers
	if FindContainer(init, Name) == nil {
		moveToFront(init, ValidationName)
		moveToBack(init, InitName)
		moveToBack(init, CoreDumpName)
		return
	}
	for _, name := range []string{CoreDumpName, Name, ValidationName, InitName} {
		moveToFront(init, name)
	}
}

// moveToFront moves a container to the front of a list, in place.
func moveToFront(list []corev1.Container, name string) {
	for i := range list {
		if list[i].Name == name {
			c := list[i]
			copy(list[1:i+1], list[:i])
			list[0] = c
			return
		}
	}
}

// moveToBack moves a container to the end of a list, in place.
func moveToBack(list []corev1.Container, name string) {
	for i := range list {
		if list[i].Name == name {
			c := list[i]
			copy(list[i:], list[i+1:])
			list[len(list)-1] = c
			return
		}
	}
}

// KeepOrder is for a pod that has been injected before. It puts list items that
// the pod had before (volumes, image pull secrets, variables and mounts of
// containers) into the order that they had, in the places that such items have
// now. Else a second injection would move what the first one appended, because
// merging follows the order of the template.
func KeepOrder(before, after *corev1.PodSpec) {
	was := map[string]*corev1.Container{} // as findInPod finds them
	for _, list := range [][]corev1.Container{before.Containers, before.InitContainers} {
		for i := range list {
			if _, ok := was[list[i].Name]; !ok {
				was[list[i].Name] = &list[i]
			}
		}
	}
	keepContainers(was, after.Containers)
	keepContainers(was, after.InitContainers)
	after.Volumes = keep(before.Volumes, after.Volumes, func(v *corev1.Volume) string { return v.Name })
	after.ImagePullSecrets = keep(before.ImagePullSecrets, after.ImagePullSecrets, func(r *corev1.LocalObjectReference) string { return r.Name })
}

func keepContainers(before map[string]*corev1.Container, list []corev1.Container) {
	for i := range list {
		c := &list[i]
		was := before[c.Name]
		if was == nil {
			continue
		}
		c.Env = keep(was.Env, c.Env, func(e *corev1.EnvVar) string { return e.Name })
		c.VolumeMounts = keep(was.VolumeMounts, c.VolumeMounts, func(m *corev1.VolumeMount) string { return m.MountPath })
	}
}

// keep returns after with the items of before in the order of before. The list
// given is not written to. A list with two items of one key is left alone, because
// the order of environment variables of one name has a meaning.
func keep[T any](before, after []T, key func(*T) string) []T {
	was := make(map[string]int, len(before)) // index in before by key
	for i := range before {
		was[key(&before[i])] = i
	}
	var at []int // indexes in after of items that were there before
	seen := map[string]bool{}
	for i := range after {
		k := key(&after[i])
		if seen[k] {
			return after
		}
		seen[k] = true
		if _, ok := was[k]; ok {
			at = append(at, i)
		}
	}
	byIndexBefore := func(i, j int) int { return was[key(&after[i])] - was[key(&after[j])] }
	if len(was) != len(before) || slices.IsSortedFunc(at, byIndexBefore) {
		return after
	}
	out := slices.Clone(after)
	for n, i := range slices.SortedFunc(slices.Values(at), byIndexBefore) {
		out[at[n]] = after[i]
	}
	return out
}
