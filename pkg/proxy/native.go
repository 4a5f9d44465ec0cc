package proxy

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
)

// NativeSidecarKey is the annotation that switches native sidecars for one pod.
const NativeSidecarKey = "sidecar.istio.io/nativeSidecar"

// Native reports whether the pod gets a native sidecar: the annotation's value if
// it is true or false, else the setting.
func Native(annotations map[string]string, setting bool) bool {
	switch annotations[NativeSidecarKey] {
	case "true":
		return true
	case "false":
		return false
	}
	return setting
}

// MoveToInit moves a proxy that the user declared among the containers to the end
// of the init containers, where the template has it. Both lists are replaced.
func MoveToInit(pod *podmodel.Pod) {
	spec := &pod.Spec
	i := slices.IndexFunc(spec.Containers, isProxy)
	if i < 0 {
		return
	}
	declared := spec.Containers[i]
	spec.Containers = slices.Delete(slices.Clone(spec.Containers), i, i+1)
	spec.InitContainers = append(slices.Clip(spec.InitContainers), declared)
	pod.MoveUnknown(Name, podmodel.AppContainers, podmodel.InitContainers)
}

// MoveBack reverts MoveToInit and Order: a proxy that the user declared goes to
// the end of the containers. Among the init containers, one without restartPolicy
// was not declared there: it would never end, and the application never start.
func MoveBack(pod *podmodel.Pod) {
	spec := &pod.Spec
	if c := FindContainer(spec.InitContainers, Name); c != nil && c.RestartPolicy == nil {
		spec.Containers = append(slices.Clip(spec.Containers), *c)
		spec.InitContainers = slices.DeleteFunc(slices.Clone(spec.InitContainers), isProxy)
		pod.MoveUnknown(Name, podmodel.InitContainers, podmodel.AppContainers)
	}
	moveToBack(spec.Containers, Name)
}

func isProxy(c corev1.Container) bool { return c.Name == Name }
