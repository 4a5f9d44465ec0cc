package render

import (
	meshconfig "istio.io/api/mesh/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
)

// Data is what a template of the current dialect sees.
type Data struct {
	// TypeMeta and DeploymentMeta are kind and name of the workload that owns
	// the pod.
	TypeMeta       metav1.TypeMeta
	DeploymentMeta *metav1.ObjectMeta
	// ObjectMeta and Spec are the pod's, after an earlier injection has been
	// taken out.
	ObjectMeta *metav1.ObjectMeta
	Spec       *corev1.PodSpec
	// ProxyConfig is the mesh's defaultConfig, overlaid with the pod's
	// annotation proxy.istio.io/config.
	ProxyConfig *meshconfig.ProxyConfig
	MeshConfig  *meshconfig.MeshConfig
	// Values are the chart values. A template that changes them gets a copy.
	Values         map[string]any
	Revision       string
	NativeSidecars bool
	// ProxyImage and ProxyInitImage are complete image references.
	ProxyImage, ProxyInitImage string
	ProxyUID, ProxyGID         int64
	// InboundTrafficPolicyMode is "localhost" or "passthrough".
	InboundTrafficPolicyMode string
	CompliancePolicy         string
}

// ClassicData is what a template of the classic dialect sees.
type ClassicData struct {
	// DeploymentMeta is the pod's own ObjectMeta in the webhook, the
	// workload's in manifests.
	DeploymentMeta *metav1.ObjectMeta
	ObjectMeta     *metav1.ObjectMeta
	Spec           *corev1.PodSpec
	ProxyConfig    *config.ClassicProxy
	MeshConfig     *config.ClassicMesh
}
