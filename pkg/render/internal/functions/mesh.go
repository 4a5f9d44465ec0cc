package functions

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	meshconfig "istio.io/api/mesh/v1alpha1"
	corev1 "k8s.io/api/core/v1"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
)

// protoToJSON writes a message as JSON. Of a proxy configuration it leaves out
// every field that equals its default, so that pods carry only what differs.
func protoToJSON(m proto.Message) (string, error) {
	if pc, ok := m.(*meshconfig.ProxyConfig); ok {
		m = withoutDefaults(pc)
	}
	if m == nil {
		return "{}", nil
	}
	text, err := protojson.Marshal(m)
	if err != nil {
		return "", err
	}
	// protojson varies its blanks on purpose.
	var out bytes.Buffer
	if err := json.Compact(&out, text); err != nil {
		return "", err
	}
	return limitText(out.String()), nil
}

func withoutDefaults(pc *meshconfig.ProxyConfig) proto.Message {
	if pc == nil {
		return nil
	}
	def := config.DefaultProxyConfig().ProtoReflect()
	out := new(meshconfig.ProxyConfig).ProtoReflect()
	pc.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if !def.Has(f) || !v.Equal(def.Get(f)) {
			out.Set(f, v)
		}
		return true
	})
	return out.Interface()
}

// otelResourceAttributes returns the attributes of the pod as a service, by
// the OpenTelemetry conventions for Kubernetes, when an extension provider of
// the mesh asks for them; else nothing.
func otelResourceAttributes(mesh *meshconfig.MeshConfig, annotations, labels map[string]string, namespace string, containers []corev1.Container) string {
	if !otelConventions(mesh) {
		return ""
	}
	const prefix = "resource.opentelemetry.io/"
	var out []string
	add := func(name, value string) {
		if value != "" {
			out = append(out, name+"="+escapeBaggage(value))
		}
	}
	add("service.namespace", nonEmpty(annotations[prefix+"service.namespace"], namespace))
	add("service.version", nonEmpty(annotations[prefix+"service.version"], labels["app.kubernetes.io/version"]))
	add("service.instance.id", nonEmpty(annotations[prefix+"service.instance.id"], instance(namespace, containers)))
	return strings.Join(out, ",")
}

func otelConventions(mesh *meshconfig.MeshConfig) bool {
	for _, p := range mesh.GetExtensionProviders() {
		if p.GetOpentelemetry().GetServiceAttributeEnrichment() == meshconfig.MeshConfig_ExtensionProvider_OTEL_SEMANTIC_CONVENTIONS {
			return true
		}
	}
	return false
}

// instance names the application's container. The pod's name is not known yet
// when the pod is created: the kubelet fills it in.
func instance(namespace string, containers []corev1.Container) string {
	for i := range containers {
		if containers[i].Name != proxyContainer {
			return nonEmpty(namespace, "$(POD_NAMESPACE)") + ".$(POD_NAME)." + containers[i].Name
		}
	}
	return ""
}

// escapeBaggage escapes what separates attributes, by the W3C Baggage format,
// and what would end the string in YAML.
func escapeBaggage(s string) string {
	var out strings.Builder
	for _, b := range []byte(s) {
		if b <= ' ' || b >= 0x7f || strings.IndexByte(`",;=\%`, b) >= 0 {
			fmt.Fprintf(&out, "%%%02X", b)
		} else {
			out.WriteByte(b)
		}
	}
	return out.String()
}
