package functions

import (
	"testing"

	meshconfig "istio.io/api/mesh/v1alpha1"
	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
)

func TestProtoToJSONLeavesOutDefaults(t *testing.T) {
	pc := config.DefaultProxyConfig()
	pc.DiscoveryAddress = "a:1"
	pc.ProxyMetadata = map[string]string{"A": "b"}
	pc.Tracing = &meshconfig.Tracing{}
	if got, err := protoToJSON(pc); err != nil || got != `{"discoveryAddress":"a:1","tracing":{},"proxyMetadata":{"A":"b"}}` {
		t.Errorf("got %s, %v", got, err)
	}
	if got, err := protoToJSON((*meshconfig.ProxyConfig)(nil)); err != nil || got != "{}" {
		t.Errorf("nil: %s, %v", got, err)
	}
	if got, err := protoToJSON(&meshconfig.Tracing{Sampling: 1}); err != nil || got != `{"sampling":1}` {
		t.Errorf("another message: %s, %v", got, err)
	}
}

func TestOtelResourceAttributes(t *testing.T) {
	mesh := &meshconfig.MeshConfig{ExtensionProviders: []*meshconfig.MeshConfig_ExtensionProvider{{
		Name: "otel",
		Provider: &meshconfig.MeshConfig_ExtensionProvider_Opentelemetry{Opentelemetry: &meshconfig.MeshConfig_ExtensionProvider_OpenTelemetryTracingProvider{
			ServiceAttributeEnrichment: meshconfig.MeshConfig_ExtensionProvider_OTEL_SEMANTIC_CONVENTIONS,
		}},
	}}}
	labels := map[string]string{"app": "web", "app.kubernetes.io/version": "v1"}
	containers := []corev1.Container{{Name: "app"}, {Name: "istio-proxy"}}
	if got, want := otelResourceAttributes(mesh, nil, labels, "shop", containers), "service.namespace=shop,service.version=v1,service.instance.id=shop.$(POD_NAME).app"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	own := map[string]string{"resource.opentelemetry.io/service.namespace": `a,b="c`, "resource.opentelemetry.io/service.version": "2", "resource.opentelemetry.io/service.instance.id": "é"}
	if got, want := otelResourceAttributes(mesh, own, nil, "shop", nil), `service.namespace=a%2Cb%3D%22c,service.version=2,service.instance.id=%C3%A9`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, want := otelResourceAttributes(mesh, nil, nil, "", containers), "service.instance.id=$(POD_NAMESPACE).$(POD_NAME).app"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
