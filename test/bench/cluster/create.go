package cluster

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// turn is what one way did in one round with so many clients.
type turn struct {
	latencies []float64 // milliseconds
	failed    int
	first     error // of those that failed
	took      time.Duration
}

// creator creates pods of one shape.
type creator struct {
	client kubernetes.Interface
	shape  *corev1.Pod
	serial atomic.Int64
}

// pods creates n pods in all with so many clients, each as soon as its last is
// answered. They are deleted meanwhile by as many others.
func (c *creator) pods(ctx context.Context, way string, clients, n int) turn {
	var t turn
	var mu sync.Mutex
	var creating, deleting sync.WaitGroup
	done := make(chan string, n)
	for range clients {
		deleting.Go(func() {
			for name := range done {
				now := int64(0)
				// What stays goes with the cluster.
				_ = c.client.CoreV1().Pods(namespaceOf(way)).Delete(ctx, name, metav1.DeleteOptions{GracePeriodSeconds: &now})
			}
		})
	}
	var left atomic.Int64
	left.Store(int64(n))
	begin := time.Now()
	for range clients {
		creating.Go(func() {
			for left.Add(-1) >= 0 && ctx.Err() == nil {
				name := fmt.Sprintf("shop-%d", c.serial.Add(1))
				took, err := c.one(ctx, way, name)
				mu.Lock()
				if err == nil {
					t.latencies = append(t.latencies, took)
				} else if t.failed++; t.first == nil {
					t.first = err
				}
				mu.Unlock()
				done <- name
			}
		})
	}
	creating.Wait()
	t.took = time.Since(begin)
	close(done)
	deleting.Wait()
	return t
}

// one creates a pod, looks at what was stored, and returns the milliseconds it
// took.
func (c *creator) one(ctx context.Context, way, name string) (float64, error) {
	pod := podFor(c.shape, way, name)
	begin := time.Now()
	got, err := c.client.CoreV1().Pods(pod.Namespace).Create(ctx, pod, metav1.CreateOptions{})
	took := time.Since(begin)
	if err != nil {
		return 0, err
	}
	return float64(took.Microseconds()) / 1000, mutated(got, way != None && way != Allowed)
}
