package status_test

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/status"
)

func Example() {
	pod := &podmodel.Pod{Pod: &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app"}, {Name: "istio-proxy"}}}}}
	pod.Annotations = map[string]string{status.Key: `{"containers":["istio-proxy"]}`}

	s, injected := status.Read(pod.Annotations)
	fmt.Println(injected, s.Containers)
	pod = status.WithoutContainers(pod, s, status.Overrides{})
	fmt.Println(len(pod.Spec.Containers), pod.Spec.Containers[0].Name, pod.Annotations)
	// Output:
	// true [istio-proxy]
	// 1 app map[]
}
