package post

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// NativeSidecarKey switches native sidecars for one pod.
const NativeSidecarKey = "sidecar.istio.io/nativeSidecar"

// Native reports whether the pod gets a native sidecar: its annotation says so,
// or else the setting.
func Native(annotations map[string]string, setting bool) bool {
	switch annotations[NativeSidecarKey] {
	case "true":
		return true
	case "false":
		return false
	}
	return setting
}

// MoveProxy moves the proxy that the user declared among the containers to the
// init containers, where the template has it. Lists are replaced, not changed.
func MoveProxy(spec *corev1.PodSpec) {
	i := slices.IndexFunc(spec.Containers, func(c corev1.Container) bool { return c.Name == Proxy })
	if i < 0 {
		return
	}
	proxy := spec.Containers[i]
	spec.Containers = slices.Delete(slices.Clone(spec.Containers), i, i+1)
	spec.InitContainers = append(slices.Clip(spec.InitContainers), proxy)
}
