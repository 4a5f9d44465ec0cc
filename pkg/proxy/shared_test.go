package proxy_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podgen"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/proxy"
)

// What hangs below the lists of containers, labels and annotations may belong to
// other pods: no step writes to it, nor appends to its lists.
func TestStepsWriteToNothingShared(t *testing.T) {
	user, group := int64(5), int64(6)
	declared := &corev1.Container{SecurityContext: &corev1.SecurityContext{RunAsUser: &user, RunAsGroup: &group}}
	location := proxy.Location{proxy.ClusterEnv: "c", proxy.NetworkEnv: "n"}
	metrics := proxy.Metrics{Merge: true, StatusPort: 15020}
	probes := proxy.Probes{Rewrite: true, StatusPort: 15020}
	for name, step := range map[string]func(pod, other *corev1.Pod){
		"Location.Apply":        func(pod, _ *corev1.Pod) { location.Apply(pod, false) },
		"Location.Apply, again": func(pod, _ *corev1.Pod) { location.Apply(pod, true) },
		"Location.Revert": func(pod, _ *corev1.Pod) {
			location.Apply(pod, false)
			location.Revert(pod)
		},
		"Metrics.Apply": func(pod, _ *corev1.Pod) {
			pod.Annotations["prometheus.io/port"] = "1"
			if err := metrics.Apply(pod); err != nil {
				t.Error(err)
			}
		},
		"Metrics.Revert": func(pod, _ *corev1.Pod) {
			pod.Annotations["prometheus.io/port"], pod.Annotations["prometheus.io/path"] = "15020", "/stats/prometheus"
			metrics.Revert(pod)
		},
		"AnnounceSecurePort":  func(pod, _ *corev1.Pod) { proxy.AnnounceSecurePort(pod) },
		"Probes.Apply":        func(pod, _ *corev1.Pod) { probes.Apply(pod, false) },
		"Probes.Apply, again": func(pod, _ *corev1.Pod) { probes.Apply(pod, true) },
		"RevertProbes":        func(pod, _ *corev1.Pod) { proxy.RevertProbes(pod) },
		"DropRedirected": func(pod, _ *corev1.Pod) {
			probes.Apply(pod, true)
			for i := range pod.Spec.Containers {
				c := pod.Spec.Containers[i]
				proxy.DropRedirected(&pod.Spec.Containers[i], &c)
			}
		},
		"PropagateUser":         func(pod, _ *corev1.Pod) { proxy.PropagateUser(pod, declared, false) },
		"PropagateUser, TPROXY": func(pod, _ *corev1.Pod) { proxy.PropagateUser(pod, declared, true) },
		"DropAssignedUser":      func(pod, _ *corev1.Pod) { proxy.DropAssignedUser(pod) },
		"Order":                 func(pod, _ *corev1.Pod) { proxy.Order(pod, true); proxy.Order(pod, false) },
		"KeepOrder":             func(pod, other *corev1.Pod) { proxy.KeepOrder(&other.Spec, &pod.Spec) },
		"MoveBack":              func(pod, _ *corev1.Pod) { proxy.MoveBack(&podmodel.Pod{Pod: pod}) },
	} {
		t.Run(name, func(t *testing.T) {
			if err := podgen.CheckSharing(proxy.CopyForWrite, step); err != nil {
				t.Error(err)
			}
		})
	}
	// MoveToInit replaces the lists, so it may be given any pod.
	shallow := func(pod *corev1.Pod) *corev1.Pod { out := *pod; return &out }
	if err := podgen.CheckSharing(shallow, func(pod, _ *corev1.Pod) { proxy.MoveToInit(&podmodel.Pod{Pod: pod}) }); err != nil {
		t.Errorf("MoveToInit: %v", err)
	}
}

// A step that does write to what is shared is found.
func TestSharingIsFound(t *testing.T) {
	for name, step := range map[string]func(pod, other *corev1.Pod){
		"a variable": func(pod, _ *corev1.Pod) { pod.Spec.Containers[0].Env[0].Value = "changed" },
		"an append": func(pod, _ *corev1.Pod) {
			c := &pod.Spec.Containers[0]
			c.Env = append(c.Env, corev1.EnvVar{Name: "A"})
		},
		"nothing": func(pod, _ *corev1.Pod) {},
	} {
		if podgen.CheckSharing(proxy.CopyForWrite, step) == nil {
			t.Errorf("%s: not found", name)
		}
	}
}
