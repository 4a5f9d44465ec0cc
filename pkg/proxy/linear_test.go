package proxy

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Eight times as many containers, variables and volumes take about eight times as
// long to put in order; with a search for each it would be sixty-four times.
func TestKeepOrderIsLinear(t *testing.T) {
	cost := func(n int) time.Duration {
		var before, after corev1.PodSpec
		for i := range n {
			name := fmt.Sprint("c", i)
			before.InitContainers = append(before.InitContainers, corev1.Container{Name: name})
			before.Volumes = append(before.Volumes, corev1.Volume{Name: name})
			after.InitContainers = append(after.InitContainers, corev1.Container{Name: name})
			after.Volumes = append(after.Volumes, corev1.Volume{Name: fmt.Sprint("c", n-1-i)})
		}
		best := time.Hour
		for range 5 {
			start := time.Now()
			KeepOrder(&before, &after)
			best = min(best, time.Since(start))
		}
		if after.Volumes[0].Name != "c0" {
			t.Fatalf("the first volume is %s", after.Volumes[0].Name)
		}
		return best
	}
	// A search for each takes a second here; less than the last figure says nothing on a
	// busy machine.
	if small, large := cost(2_000), cost(16_000); large > 30*small && large > 300*time.Millisecond {
		t.Errorf("2,000 take %v, 16,000 take %v", small, large)
	}
}
