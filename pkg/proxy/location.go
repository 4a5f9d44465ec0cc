package proxy

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// The environment variables that name the proxy's cluster and network, and the
// label that names the pod's network.
const (
	ClusterEnv   = "ISTIO_META_CLUSTER_ID"
	NetworkEnv   = "ISTIO_META_NETWORK"
	NetworkLabel = "topology.istio.io/network"
)

// Location holds environment variables by name: where the proxy is, and what else
// the path of the webhook's URL says.
type Location map[string]string

// NewLocation returns the location of one pod.
//
// The cluster is the path's, else the one given, which comes from the values. The
// network is that of the pod's label, else the path's, else the one given; an
// empty label disables the one given.
func NewLocation(path, cluster, network string, labels map[string]string) Location {
	l := parsePath(path)
	setDefault := func(name, value string) {
		if value != "" && l[name] == "" {
			l[name] = value
		}
	}
	setDefault(ClusterEnv, cluster)
	label, ok := labels[NetworkLabel]
	switch {
	case !ok:
		setDefault(NetworkEnv, network)
	case label != "":
		l[NetworkEnv] = label
	}
	return l
}

// parsePath reads /inject/cluster/<id>/net/<network>/<KEY>/<value>, where
// --slash-- stands for / in a value and a trailing key without a value is ignored;
// or the older form /inject/:ENV:KEY=value:ENV:KEY=value.
func parsePath(path string) Location {
	l := Location{}
	rest, ok := strings.CutPrefix(strings.TrimSuffix(path, "/"), "/inject/")
	if !ok {
		return l
	}
	if list, ok := strings.CutPrefix(rest, ":ENV:"); ok {
		for _, pair := range strings.Split(list, ":ENV:") {
			key, value, ok := strings.Cut(pair, "=")
			if name := envOfKey(key); ok && name != "" {
				l[name] = value
			}
		}
		return l
	}
	parts := strings.Split(rest, "/")
	for i := 0; i+1 < len(parts); i += 2 {
		if name := envOfKey(parts[i]); name != "" {
			l[name] = strings.ReplaceAll(parts[i+1], "--slash--", "/")
		}
	}
	return l
}

// envOfKey returns the environment variable that a key of the path stands for.
func envOfKey(key string) string {
	switch key {
	case "cluster":
		return ClusterEnv
	case "net":
		return NetworkEnv
	}
	return strings.ToUpper(key)
}

// Apply sets the variables on the proxy, after all others and in the order of
// their names, and the network's label on the pod. With reinvoked, the pod has
// been injected before, and variables keep their places, so that a second
// injection changes nothing.
func (l Location) Apply(pod *corev1.Pod, reinvoked bool) {
	if len(l) == 0 {
		return
	}
	if network := l[NetworkEnv]; network != "" {
		pod.Labels[NetworkLabel] = network
	}
	c := Find(&pod.Spec)
	if c == nil {
		return
	}
	env := make([]corev1.EnvVar, 0, len(c.Env)+len(l))
	placed := map[string]bool{}
	for _, e := range c.Env {
		value, ours := l[e.Name]
		switch {
		case !ours:
			env = append(env, e)
		case reinvoked && !placed[e.Name]:
			env = append(env, corev1.EnvVar{Name: e.Name, Value: value})
			placed[e.Name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l)) {
		if !placed[name] {
			env = append(env, corev1.EnvVar{Name: name, Value: l[name]})
		}
	}
	c.Env = env
}

// Revert removes the network's label. The location is that of a pod without the
// label. The variables go with the proxy.
func (l Location) Revert(pod *corev1.Pod) {
	if network := l[NetworkEnv]; network != "" && pod.Labels[NetworkLabel] == network {
		delete(pod.Labels, NetworkLabel)
	}
}
