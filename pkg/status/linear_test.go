package status

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
)

// Eight times as many containers and volumes, all of which the status names and the
// overrides hold, take about eight times as long; with a search for each it would be
// sixty-four times.
func TestCostIsLinear(t *testing.T) {
	cost := func(n int) time.Duration {
		pod := &podmodel.Pod{Pod: new(corev1.Pod)}
		var s Status
		var o Overrides
		for i := range n {
			name := fmt.Sprint("c", i)
			pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: name})
			pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: name})
			s.Containers, s.Volumes = append(s.Containers, name), append(s.Volumes, name)
			o.Containers = append(o.Containers, podmodel.Container{Container: corev1.Container{Name: name}})
			o.InitContainers = append(o.InitContainers, podmodel.Container{Container: corev1.Container{Name: name}})
		}
		best := time.Hour
		for range 5 {
			start := time.Now()
			out := WithoutLists(WithoutContainers(pod, s, o), s)
			best = min(best, time.Since(start))
			if len(out.Spec.Containers) != n || len(out.Spec.InitContainers) != n || len(out.Spec.Volumes) != 0 {
				t.Fatalf("%d containers, %d init containers, %d volumes", len(out.Spec.Containers), len(out.Spec.InitContainers), len(out.Spec.Volumes))
			}
		}
		return best
	}
	// A search for each takes a second here; less than the last figure says nothing on a
	// busy machine.
	if small, large := cost(2_000), cost(16_000); large > 30*small && large > 300*time.Millisecond {
		t.Errorf("2,000 of each take %v, 16,000 take %v", small, large)
	}
}
