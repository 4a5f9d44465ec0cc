package patch_test

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/patch"
)

// What an injection does to a pod, for pods of different sizes: the difference
// must cost little beside the pod itself.
func BenchmarkDiff(b *testing.B) {
	for _, n := range []int{1, 30, 2000} {
		b.Run(fmt.Sprintf("env%d", n), func(b *testing.B) {
			before := &corev1.Pod{}
			before.Labels = map[string]string{"app": "a", "version": "v1"}
			before.Annotations = map[string]string{"note": "a"}
			app := corev1.Container{Name: "app", Image: "i"}
			for i := range n {
				app.Env = append(app.Env, corev1.EnvVar{Name: fmt.Sprint("VARIABLE_", i), Value: "some value of some length"})
			}
			before.Spec.Containers = []corev1.Container{app}
			raw := mustJSON(b, before)
			after := before.DeepCopy()
			after.Annotations["sidecar.istio.io/status"] = "{}"
			after.Labels["istio.io/rev"] = "default"
			after.Spec.Containers[0].ReadinessProbe = &corev1.Probe{}
			after.Spec.Containers = append(after.Spec.Containers, corev1.Container{Name: "istio-proxy", Args: []string{"a", "b"}})
			after.Spec.Volumes = []corev1.Volume{{Name: "v"}}
			b.ReportAllocs()
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				if _, err := patch.Diff(raw, before, after); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
