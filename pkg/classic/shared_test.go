package classic_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podgen"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/classic"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/proxy"
)

// What hangs below the lists of containers, labels and annotations may belong to
// other pods: no step writes to it, nor appends to its lists, nor to those of the
// fragment.
func TestStepsWriteToNothingShared(t *testing.T) {
	fragment := func(of *corev1.Pod) *classic.Fragment {
		return &classic.Fragment{
			InitContainers: of.Spec.InitContainers, Containers: of.Spec.Containers, Volumes: of.Spec.Volumes,
			ImagePullSecrets: of.Spec.ImagePullSecrets, DNSConfig: of.Spec.DNSConfig, SecurityContext: of.Spec.SecurityContext,
		}
	}
	for name, step := range map[string]func(pod, other *corev1.Pod){
		"Append":         func(pod, other *corev1.Pod) { fragment(other).Append(pod) },
		"Revert":         func(pod, other *corev1.Pod) { fragment(other).Append(pod); fragment(other).Revert(pod) },
		"RedirectProbes": func(pod, _ *corev1.Pod) { classic.RedirectProbes(pod) },
		"RestoreProbes": func(pod, _ *corev1.Pod) {
			classic.RedirectProbes(pod)
			classic.RestoreProbes(&pod.Spec, proxy.Find(&pod.Spec))
		},
		"SetTokenGroup":   func(pod, _ *corev1.Pod) { classic.SetTokenGroup(&pod.Spec) },
		"UnsetTokenGroup": func(pod, _ *corev1.Pod) { classic.SetTokenGroup(&pod.Spec); classic.UnsetTokenGroup(&pod.Spec) },
	} {
		t.Run(name, func(t *testing.T) {
			if err := podgen.CheckSharing(proxy.CopyForWrite, step); err != nil {
				t.Error(err)
			}
		})
	}
}
