package patch_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/patch"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
)

// What an injection does to a pod, for pods of different sizes: the difference
// must cost little beside the pod itself, and nothing of what the pods share.
func BenchmarkDiff(b *testing.B) {
	for _, n := range []int{1, 30, 2000} {
		before := &podmodel.Pod{Pod: decode(b, mustJSON(b, usualPod(n)))}
		shared := &podmodel.Pod{Pod: inject(before.Pod)}
		copied := &podmodel.Pod{Pod: shared.DeepCopy()}
		for name, after := range map[string]*podmodel.Pod{"copied": copied, "shared": shared} {
			b.Run(fmt.Sprintf("env%d/%s", n, name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := patch.Diff(context.Background(), before, after); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
