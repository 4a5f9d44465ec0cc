package templatedocs

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	meshconfig "istio.io/api/mesh/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render"
)

// currentData is what the examples see.
func currentData() *render.Data {
	mesh := config.DefaultMesh()
	mesh.ExtensionProviders = []*meshconfig.MeshConfig_ExtensionProvider{{
		Name: "otel",
		Provider: &meshconfig.MeshConfig_ExtensionProvider_Opentelemetry{
			Opentelemetry: &meshconfig.MeshConfig_ExtensionProvider_OpenTelemetryTracingProvider{
				ServiceAttributeEnrichment: meshconfig.MeshConfig_ExtensionProvider_OTEL_SEMANTIC_CONVENTIONS,
			},
		},
	}}
	return &render.Data{
		TypeMeta:       metav1.TypeMeta{Kind: "Deployment", APIVersion: "apps/v1"},
		DeploymentMeta: &metav1.ObjectMeta{Name: "web", Namespace: "shop"},
		ObjectMeta:     podMeta(), Spec: podSpec(),
		ProxyConfig: config.DefaultProxyConfig(),
		MeshConfig:  mesh,
		Values: map[string]any{
			"global":    map[string]any{"hub": "registry.example.com"},
			"resources": map[string]any{"limits": map[string]any{"cpu": nil, "memory": "64Mi"}},
		},
		Revision: "default", ProxyUID: 1337, ProxyGID: 1337, NativeSidecars: true,
	}
}

func classicData() *render.ClassicData {
	mesh := config.DefaultClassicMesh()
	return &render.ClassicData{
		DeploymentMeta: podMeta(), ObjectMeta: podMeta(), Spec: podSpec(),
		ProxyConfig: mesh.DefaultConfig, MeshConfig: mesh,
	}
}

func podMeta() *metav1.ObjectMeta {
	return &metav1.ObjectMeta{
		Labels:      map[string]string{"app": "web", "pod-template-hash": "abc"},
		Annotations: map[string]string{"example.com/team": "a", "example.com/level": "debug"},
	}
}

func podSpec() *corev1.PodSpec {
	return &corev1.PodSpec{Containers: []corev1.Container{
		{Name: "app", Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}, {ContainerPort: 53, Protocol: corev1.ProtocolUDP}}},
		{Name: "istio-proxy", Ports: []corev1.ContainerPort{{ContainerPort: 15090}}},
	}}
}

// origin says where each field comes from, for people.
var origin = map[string]string{
	"TypeMeta":                 "`.TypeMeta.Kind` and `.TypeMeta.APIVersion` of the workload that owns the pod: in the webhook from the pod's owner reference and labels (a ReplicaSet's Deployment, a Job's CronJob), in manifests the workload itself; `Pod` where there is none",
	"DeploymentMeta":           "name and namespace of that workload; in manifests all of its metadata",
	"ObjectMeta":               "the pod's own metadata, without an earlier injection; its name is often empty, because the API server makes it later",
	"Spec":                     "the pod's own spec, without an earlier injection",
	"ProxyConfig":              "`meshConfig.defaultConfig` of the chart over the defaults of the mesh API, and over it the pod's annotation `proxy.istio.io/config`",
	"MeshConfig":               "`meshConfig` of the chart, over the defaults of the mesh API",
	"Values":                   "`templateValues` of the chart, put over its `global`, `pilot`, `revision` and `sidecarInjectorWebhook`, which templates of Istio read; the key `values` of the ConfigMap",
	"Revision":                 "`revision` of the chart, `default` where it is empty",
	"NativeSidecars":           "`nativeSidecars` of the chart; with `auto`, whether every node of the cluster, or the pod's node, has Kubernetes 1.33 or newer",
	"ProxyImage":               "`global.hub`, `global.proxy.image` and `global.tag` of the values, with the image type of the pod's annotation `sidecar.istio.io/proxyImageType` or of the proxy configuration",
	"ProxyInitImage":           "the same with `global.proxy_init.image`",
	"ProxyUID":                 "1337; on OpenShift from the annotations of the pod's namespace",
	"ProxyGID":                 "the same",
	"InboundTrafficPolicyMode": "`inboundTrafficPolicy` of the mesh configuration: `localhost` or `passthrough`",
	"CompliancePolicy":         "`global.compliancePolicy` of the chart",
}

var classicOrigin = map[string]string{
	"DeploymentMeta": "the pod's own metadata in the webhook, the workload's in manifests",
	"ObjectMeta":     "the pod's own metadata, without an earlier injection",
	"Spec":           "the pod's own spec, without an earlier injection",
	"ProxyConfig":    "`defaultConfig` of the mesh configuration, by the API of Istio 1.1",
	"MeshConfig":     "the mesh configuration, by the API of Istio 1.1",
}

const (
	kubernetes = "https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.34/#"
	meshAPI    = "https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#"
)

// typeName is what a reader calls a type, with its reference.
func typeName(t *testing.T, of reflect.Type) string {
	for of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	switch of {
	case reflect.TypeFor[metav1.TypeMeta]():
		return "kind and API version"
	case reflect.TypeFor[metav1.ObjectMeta]():
		return "[ObjectMeta](" + kubernetes + "objectmeta-v1-meta)"
	case reflect.TypeFor[corev1.PodSpec]():
		return "[PodSpec](" + kubernetes + "podspec-v1-core)"
	case reflect.TypeFor[meshconfig.ProxyConfig]():
		return "[ProxyConfig](" + meshAPI + "ProxyConfig)"
	case reflect.TypeFor[meshconfig.MeshConfig]():
		return "[MeshConfig](" + meshAPI + "MeshConfig)"
	case reflect.TypeFor[config.ClassicProxy](), reflect.TypeFor[config.ClassicMesh]():
		return "see below"
	case reflect.TypeFor[map[string]any]():
		return "map"
	}
	switch of.Kind() {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Int64, reflect.Int32:
		return "number"
	}
	t.Errorf("there is no name for the type %s", of)
	return ""
}

func fieldTable(t *testing.T, of reflect.Type, origin map[string]string) string {
	var out strings.Builder
	out.WriteString("| field | type | where it comes from |\n|---|---|---|\n")
	for i := range of.NumField() {
		f := of.Field(i)
		if origin[f.Name] == "" {
			t.Errorf("it is not said where %s.%s comes from", of, f.Name)
		}
		fmt.Fprintf(&out, "| `.%s` | %s | %s |\n", f.Name, typeName(t, f.Type), origin[f.Name])
	}
	for name := range origin {
		if _, ok := of.FieldByName(name); !ok {
			t.Errorf("%s has no field %s", of, name)
		}
	}
	return out.String()
}

func dataSection(t *testing.T) string {
	return fieldTable(t, reflect.TypeFor[render.Data](), origin)
}

func classicDataSection(t *testing.T) string {
	return fieldTable(t, reflect.TypeFor[render.ClassicData](), classicOrigin) +
		"\nFields of `.ProxyConfig`: " + fieldNames(reflect.TypeFor[config.ClassicProxy]()) + ".\n" +
		"\nFields of `.MeshConfig`: " + fieldNames(reflect.TypeFor[config.ClassicMesh]()) + ".\n"
}

func fieldNames(of reflect.Type) string {
	var names []string
	for i := range of.NumField() {
		names = append(names, of.Field(i).Name)
	}
	return code(names...)
}
