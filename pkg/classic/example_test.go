package classic_test

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/classic"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/proxy"
)

func Example() {
	fragment, err := classic.ParseFragment(context.Background(), []byte(`
containers:
- name: istio-proxy
  resources: {limits: {cpu: 1500m}}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	pod := proxy.CopyForWrite(&corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app"}}}})
	fragment.Append(pod)
	for _, c := range pod.Spec.Containers {
		fmt.Println(c.Name, c.Args)
	}
	// Output:
	// app []
	// istio-proxy [--concurrency 2]
}
