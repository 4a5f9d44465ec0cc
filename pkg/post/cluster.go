package post

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// The variables and the label that tell a proxy where it is.
const (
	ClusterEnv   = "ISTIO_META_CLUSTER_ID"
	NetworkEnv   = "ISTIO_META_NETWORK"
	NetworkLabel = "topology.istio.io/network"
)

// ParsePath reads the variables out of the path that the webhook was called
// with: /inject/cluster/<id>/net/<network>/<KEY>/<value>, where --slash--
// stands for / in a value and a trailing key without a value is ignored; or in
// the older form /inject/:ENV:KEY=value:ENV:KEY=value.
func ParsePath(path string) map[string]string {
	rest, ok := strings.CutPrefix(strings.TrimSuffix(path, "/"), "/inject/")
	if !ok {
		return nil
	}
	if list, ok := strings.CutPrefix(rest, ":ENV:"); ok {
		return parseOldPath(list)
	}
	env := map[string]string{}
	parts := strings.Split(rest, "/")
	for i := 0; i+1 < len(parts); i += 2 {
		if name := variable(parts[i]); name != "" {
			env[name] = strings.ReplaceAll(parts[i+1], "--slash--", "/")
		}
	}
	return env
}

func parseOldPath(list string) map[string]string {
	env := map[string]string{}
	for _, pair := range strings.Split(list, ":ENV:") {
		key, value, ok := strings.Cut(pair, "=")
		if name := variable(key); ok && name != "" {
			env[name] = value
		}
	}
	return env
}

// variable returns the variable that a key of the path stands for.
func variable(key string) string {
	switch key {
	case "cluster":
		return ClusterEnv
	case "net":
		return NetworkEnv
	}
	return strings.ToUpper(key)
}

// Cluster sets the variables on the proxy, in the order of their names, after
// all others, and the network's label on the pod. When the pod has been
// injected before, variables keep their places, so that a second injection
// changes nothing.
func Cluster(pod *corev1.Pod, env map[string]string, again bool) {
	if len(env) == 0 {
		return
	}
	if network := env[NetworkEnv]; network != "" {
		pod.Labels[NetworkLabel] = network
	}
	c := FindAnywhere(&pod.Spec, Proxy)
	if c == nil {
		return
	}
	list := make([]corev1.EnvVar, 0, len(c.Env)+len(env))
	placed := map[string]bool{}
	for _, e := range c.Env {
		value, ours := env[e.Name]
		switch {
		case !ours:
			list = append(list, e)
		case again && !placed[e.Name]:
			list = append(list, corev1.EnvVar{Name: e.Name, Value: value})
			placed[e.Name] = true
		}
	}
	names := make([]string, 0, len(env))
	for name := range env {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if !placed[name] {
			list = append(list, corev1.EnvVar{Name: name, Value: env[name]})
		}
	}
	c.Env = list
}
