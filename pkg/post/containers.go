// Package post does to a merged pod what templates cannot: it checks the
// annotations beforehand, tells the proxy about cluster, metrics and probes,
// and puts the containers in order. One file per step.
//
// Every step changes the pod it is given. The pod must own its lists of
// containers, its labels and its annotations (see Own); what hangs below them
// may be shared with other pods, and is replaced rather than changed.
package post

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// The containers that the steps know by name.
const (
	Proxy          = "istio-proxy"
	Init           = "istio-init"
	Validation     = "istio-validation"
	EnableCoreDump = "enable-core-dump"
)

// Own gives the pod lists of containers, labels and annotations of its own, so
// that the steps may write to them. Labels and annotations are made when there
// are none.
func Own(pod *corev1.Pod) {
	pod.Spec.Containers = slices.Clone(pod.Spec.Containers)
	pod.Spec.InitContainers = slices.Clone(pod.Spec.InitContainers)
	pod.Labels = ownMap(pod.Labels)
	pod.Annotations = ownMap(pod.Annotations)
}

func ownMap(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return maps.Clone(m)
}

// Find returns the first container of that name, or nil.
func Find(list []corev1.Container, name string) *corev1.Container {
	for i := range list {
		if list[i].Name == name {
			return &list[i]
		}
	}
	return nil
}

// FindAnywhere looks in the containers and then in the init containers.
func FindAnywhere(spec *corev1.PodSpec, name string) *corev1.Container {
	if c := Find(spec.Containers, name); c != nil {
		return c
	}
	return Find(spec.InitContainers, name)
}

// lookupEnv returns a container's variable of that name, or nil.
func lookupEnv(c *corev1.Container, name string) *corev1.EnvVar {
	for i := range c.Env {
		if c.Env[i].Name == name {
			return &c.Env[i]
		}
	}
	return nil
}

// addEnv appends a variable, to a list that may be shared.
func addEnv(c *corev1.Container, name, value string) {
	c.Env = append(slices.Clip(c.Env), corev1.EnvVar{Name: name, Value: value})
}
