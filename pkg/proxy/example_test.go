package proxy_test

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/proxy"
)

// A probe is redirected to the proxy's agent, and back.
func Example() {
	action := corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/ready", Port: intstr.FromInt32(8080)}}
	merged := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{
		{Name: "app", ReadinessProbe: &corev1.Probe{ProbeHandler: action}},
		{Name: proxy.Name},
	}}}

	pod := proxy.CopyForWrite(merged)
	show := func() {
		get := pod.Spec.Containers[0].ReadinessProbe.HTTPGet
		fmt.Println("probe:", get.Port.String()+get.Path)
	}
	proxy.Probes{Rewrite: true, StatusPort: 15020}.Apply(pod, false)
	show()
	fmt.Println("record:", proxy.LookupEnv(proxy.Find(&pod.Spec), proxy.ProbersEnv).Value)
	proxy.RevertProbes(pod)
	show()
	// Output:
	// probe: 15020/app-health/app/readyz
	// record: {"/app-health/app/readyz":{"httpGet":{"path":"/ready","port":8080}}}
	// probe: 8080/ready
}
