//go:build e2e

package chartscenarios

import (
	"context"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// diagnose says what the release's pods were doing when the scenario failed.
func (s *scenario) diagnose() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), 20*time.Second)
	defer cancel()
	pods, err := cluster.Client.CoreV1().Pods(s.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		s.Logf("pods: %v", err)
		return
	}
	for _, pod := range pods.Items {
		s.Logf("pod %s: %s", pod.Name, pod.Status.Phase)
		for _, status := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
			s.Logf("  %s: ready %v, restarts %d, %+v", status.Name, status.Ready, status.RestartCount, status.State)
			log, err := cluster.Client.CoreV1().Pods(s.namespace).GetLogs(pod.Name, &corev1.PodLogOptions{Container: status.Name, TailLines: ptr.To(int64(25))}).DoRaw(ctx)
			if err == nil && len(log) > 0 {
				s.Logf("    %s", strings.ReplaceAll(strings.TrimSpace(string(log)), "\n", "\n    "))
			}
		}
	}
	events, err := cluster.Client.CoreV1().Events(s.namespace).List(ctx, metav1.ListOptions{FieldSelector: "type=Warning"})
	if err != nil {
		s.Logf("events: %v", err)
		return
	}
	for _, event := range events.Items {
		s.Logf("event on %s %s: %s: %s", event.InvolvedObject.Kind, event.InvolvedObject.Name, event.Reason, event.Message)
	}
}
