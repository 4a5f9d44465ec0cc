package proxy

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// The names of containers that templates give to a pod.
const (
	Name           = "istio-proxy"
	InitName       = "istio-init"
	ValidationName = "istio-validation"
	CoreDumpName   = "enable-core-dump"
)

// DefaultID is the user and the group that the proxy runs as where nothing else
// is said.
const DefaultID int64 = 1337

// CopyForWrite returns a pod whose lists of containers, labels and annotations are
// copies, and may be written to. Labels and annotations are never nil. Everything
// else is shared with the pod given, and must not be written to.
func CopyForWrite(pod *corev1.Pod) *corev1.Pod {
	out := *pod
	out.Spec.Containers = slices.Clone(pod.Spec.Containers)
	out.Spec.InitContainers = slices.Clone(pod.Spec.InitContainers)
	out.Labels = cloneMap(pod.Labels)
	out.Annotations = cloneMap(pod.Annotations)
	return &out
}

func cloneMap(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return maps.Clone(m)
}

// Find returns the proxy's container, wherever it is, or nil.
func Find(spec *corev1.PodSpec) *corev1.Container { return findInPod(spec, Name) }

// findInPod returns the container of that name, or nil. Containers are searched
// before init containers.
func findInPod(spec *corev1.PodSpec, name string) *corev1.Container {
	if c := FindContainer(spec.Containers, name); c != nil {
		return c
	}
	return FindContainer(spec.InitContainers, name)
}

// FindContainer returns the first container of that name in a list, or nil.
func FindContainer(list []corev1.Container, name string) *corev1.Container {
	for i := range list {
		if list[i].Name == name {
			return &list[i]
		}
	}
	return nil
}

// LookupEnv returns the first environment variable of that name, or nil. The
// variable must not be written to.
func LookupEnv(c *corev1.Container, name string) *corev1.EnvVar {
	for i := range c.Env {
		if c.Env[i].Name == name {
			return &c.Env[i]
		}
	}
	return nil
}

// AddEnv appends an environment variable. The list that the container had is not
// written to.
func AddEnv(c *corev1.Container, name, value string) {
	c.Env = append(slices.Clip(c.Env), corev1.EnvVar{Name: name, Value: value})
}

// replaceEnv sets the value of a variable that is there. The list that the
// container had is not written to.
func replaceEnv(c *corev1.Container, name, value string) {
	c.Env = slices.Clone(c.Env)
	*LookupEnv(c, name) = corev1.EnvVar{Name: name, Value: value}
}
