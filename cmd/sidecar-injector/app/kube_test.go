package app

import (
	"context"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// away is an API server that refuses every connection.
type away struct{}

func (away) List(context.Context, metav1.ListOptions) (*corev1.NodeList, error) {
	return nil, syscall.ECONNREFUSED
}

func (away) Watch(context.Context, metav1.ListOptions) (watch.Interface, error) {
	return nil, syscall.ECONNREFUSED
}

// TestStopWhileAPIServerAway stops in the pause between two attempts.
func TestStopWhileAPIServerAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		failures := make(chan error, 100)
		done := make(chan struct{})
		go func() {
			defer close(done)
			followAll(ctx, away{}, &corev1.Node{}, (&cluster{}).nodeStore(func() {}), func(err error) { failures <- err })
		}()
		for range 4 { // the pauses grow
			<-failures
		}
		synctest.Wait()
		begin := time.Now()
		cancel()
		<-done
		if d := time.Since(begin); d > 0 {
			t.Errorf("it went on for %s", d)
		}
		time.Sleep(time.Minute) // of the bubble's time: the reflector wakes up and ends
	})
}
