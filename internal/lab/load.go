package lab

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// requestLimit is longer than an API server waits for any webhook.
const requestLimit = 40 * time.Second

// Load creates pods without a pause until it is stopped.
type Load struct {
	stop    context.CancelFunc
	done    sync.WaitGroup
	created atomic.Int64
	failed  atomic.Int64

	mu     sync.Mutex
	first  []string
	accept func(*corev1.Pod) error
}

// Counts is what a load saw.
type Counts struct {
	Created int64    // pods that were let in, with a sidecar
	Failed  int64    // pods that were refused, or let in without a sidecar
	Errors  []string // the first few reasons
}

// StartLoad lets clients create pods made by pod, each as soon as its last is
// answered. A pod counts as failed when the API server refuses it or when
// accept finds something wrong with what was stored. Pods are deleted at once;
// they should ask for a node that is not there, so that only admission is tried.
func (l *Lab) StartLoad(ctx context.Context, clients int, pod func(client, n int) *corev1.Pod, accept func(*corev1.Pod) error) *Load {
	ctx, stop := context.WithCancel(ctx)
	load := &Load{stop: stop, accept: accept}
	for c := range clients {
		load.done.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				load.one(ctx, l, pod(c, n))
			}
		})
	}
	return load
}

// one lets a request that is under way come to its end when the load is stopped:
// an abandoned one may create its pod all the same, and nobody would delete it.
func (load *Load) one(ctx context.Context, l *Lab, pod *corev1.Pod) {
	pods := l.Client.CoreV1().Pods(pod.Namespace)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestLimit)
	defer cancel()
	got, err := pods.Create(ctx, pod, metav1.CreateOptions{})
	if err == nil {
		err = load.accept(got)
		now := int64(0)
		// Best effort: what stays goes with the namespace.
		_ = pods.Delete(ctx, got.Name, metav1.DeleteOptions{GracePeriodSeconds: &now})
	}
	if err != nil {
		load.failed.Add(1)
		load.note(err)
		return
	}
	load.created.Add(1)
}

func (load *Load) note(err error) {
	load.mu.Lock()
	defer load.mu.Unlock()
	if len(load.first) < 5 {
		load.first = append(load.first, fmt.Sprintf("%s: %v", apierrors.ReasonForError(err), err))
	}
}

// Created is the number of pods let in so far.
func (load *Load) Created() int64 { return load.created.Load() }

// Failed is the number of failed admissions so far.
func (load *Load) Failed() int64 { return load.failed.Load() }

// Stop ends the load, waits for the requests that are open, and counts.
func (load *Load) Stop() Counts {
	load.stop()
	load.done.Wait()
	return Counts{Created: load.created.Load(), Failed: load.failed.Load(), Errors: load.first}
}

// UnschedulablePod is a pod that no node takes: it goes through admission and
// then waits.
func UnschedulablePod(namespace, name string, labels map[string]string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels},
		Spec: corev1.PodSpec{
			NodeSelector: map[string]string{"lab.example.com/no-such-node": "true"},
			Containers:   []corev1.Container{{Name: "app", Image: "lab.example.com/none:1"}},
		},
	}
}
