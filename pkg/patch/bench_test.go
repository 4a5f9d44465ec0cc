package patch_test

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/patch"
)

// What an injection does to a pod, for pods of different sizes: the difference
// must cost little beside the pod itself, and nothing of what the pods share.
func BenchmarkDiff(b *testing.B) {
	for _, n := range []int{1, 30, 2000} {
		raw := mustJSON(b, usualPod(n))
		before := decode(b, raw)
		sharing := inject(before)
		for _, c := range []struct {
			name  string
			diff  func([]byte, *corev1.Pod, *corev1.Pod, ...patch.Extra) ([]byte, error)
			after *corev1.Pod
		}{
			{"copied", patch.Diff, sharing.DeepCopy()},
			{"shared", patch.Diff, sharing},
			{"unique", patch.DiffUnique, sharing},
		} {
			b.Run(fmt.Sprintf("env%d/%s", n, c.name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := c.diff(raw, before, c.after); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
