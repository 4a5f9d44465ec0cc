// Package sample has data that templates are tested with.
package sample

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render"
)

// Constants are the fields of the data that the engine holds constant.
func Constants() []string {
	return []string{"ProxyConfig", "MeshConfig", "Values", "Revision", "InboundTrafficPolicyMode", "CompliancePolicy", "ProxyUID", "ProxyGID"}
}

// Data returns what templates see of a pod with an application and a proxy.
func Data() *render.Data {
	return &render.Data{
		TypeMeta:       metav1.TypeMeta{Kind: "Deployment", APIVersion: "apps/v1"},
		DeploymentMeta: &metav1.ObjectMeta{Name: "web", Namespace: "shop"},
		ObjectMeta: &metav1.ObjectMeta{
			Labels:      map[string]string{"app": "web", "app.kubernetes.io/version": "v1"},
			Annotations: map[string]string{"note": "kept", "empty": "", "ports": "4, 5"},
		},
		Spec: &corev1.PodSpec{Containers: []corev1.Container{
			{Name: "app", Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 80}, {ContainerPort: 53, Protocol: corev1.ProtocolUDP}}},
			{Name: "istio-proxy", Ports: []corev1.ContainerPort{{ContainerPort: 15090}, {ContainerPort: 9, Protocol: corev1.ProtocolSCTP}}},
		}},
		ProxyConfig: config.DefaultProxyConfig(),
		MeshConfig:  config.DefaultMesh(),
		Values: map[string]any{
			"global": map[string]any{
				"hub": "h", "port": float64(15020), "nothing": nil,
				"resources": map[string]any{"limits": map[string]any{"cpu": nil, "memory": "1Gi"}, "list": []any{map[string]any{"a": nil}}},
			},
			"Reset": "a key",
		},
		Revision: "r", ProxyUID: 1337, NativeSidecars: true,
	}
}

// Pods returns Data, the data of an empty pod, and that of a pod with more.
func Pods() []*render.Data {
	none := Data()
	none.ObjectMeta, none.Spec, none.DeploymentMeta = &metav1.ObjectMeta{}, &corev1.PodSpec{}, &metav1.ObjectMeta{}
	none.NativeSidecars = false
	many := Data()
	many.ObjectMeta.Annotations["list"], many.ObjectMeta.Annotations["n"] = "true", "0"
	user := int64(7)
	many.Spec.SecurityContext = &corev1.PodSecurityContext{FSGroup: &user}
	many.Spec.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "b"}, {Name: "a"}}
	many.Spec.Containers[0].Args = []string{"z", "y"}
	return []*render.Data{Data(), none, many}
}
