package config

import (
	"maps"
	"slices"
	"time"

	meshconfig "istio.io/api/mesh/v1alpha1"
	networking "istio.io/api/networking/v1alpha3"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"go.yaml.in/yaml/v3"
)

// DefaultProxyConfig returns the current dialect's proxy configuration without a
// mesh configuration.
func DefaultProxyConfig() *meshconfig.ProxyConfig {
	return &meshconfig.ProxyConfig{
		ConfigPath:               "./etc/istio/proxy",
		BinaryPath:               "/usr/local/bin/envoy",
		ClusterName:              &meshconfig.ProxyConfig_ServiceCluster{ServiceCluster: "istio-proxy"},
		DrainDuration:            durationpb.New(45 * time.Second),
		TerminationDrainDuration: durationpb.New(5 * time.Second),
		DiscoveryAddress:         "istiod.istio-system.svc:15012",
		ProxyAdminPort:           15000,
		ControlPlaneAuthPolicy:   meshconfig.AuthenticationPolicy_MUTUAL_TLS,
		StatNameLength:           189,
		StatusPort:               15020,
	}
}

// DefaultMesh returns the current dialect's mesh configuration for an empty file.
func DefaultMesh() *meshconfig.MeshConfig {
	everyone := []string{"*"}
	provider := func(name string) *meshconfig.MeshConfig_ExtensionProvider {
		return &meshconfig.MeshConfig_ExtensionProvider{Name: name}
	}
	prometheus, stackdriver, envoy := provider("prometheus"), provider("stackdriver"), provider("envoy")
	prometheus.Provider = &meshconfig.MeshConfig_ExtensionProvider_Prometheus{
		Prometheus: &meshconfig.MeshConfig_ExtensionProvider_PrometheusMetricsProvider{},
	}
	stackdriver.Provider = &meshconfig.MeshConfig_ExtensionProvider_Stackdriver{
		Stackdriver: &meshconfig.MeshConfig_ExtensionProvider_StackdriverProvider{},
	}
	envoy.Provider = &meshconfig.MeshConfig_ExtensionProvider_EnvoyFileAccessLog{
		EnvoyFileAccessLog: &meshconfig.MeshConfig_ExtensionProvider_EnvoyFileAccessLogProvider{Path: "/dev/stdout"},
	}
	return &meshconfig.MeshConfig{
		ConnectTimeout:                 durationpb.New(10 * time.Second),
		DefaultConfig:                  DefaultProxyConfig(),
		DefaultDestinationRuleExportTo: everyone,
		DefaultProviders:               &meshconfig.MeshConfig_DefaultProviders{Metrics: []string{"prometheus"}},
		DefaultServiceExportTo:         everyone,
		DefaultVirtualServiceExportTo:  everyone,
		DnsRefreshRate:                 durationpb.New(60 * time.Second),
		EnableAutoMtls:                 wrapperspb.Bool(true),
		EnablePrometheusMerge:          wrapperspb.Bool(true),
		EnableTracing:                  true,
		ExtensionProviders:             []*meshconfig.MeshConfig_ExtensionProvider{prometheus, stackdriver, envoy},
		InboundTrafficPolicy:           &meshconfig.MeshConfig_InboundTrafficPolicy{Mode: meshconfig.MeshConfig_InboundTrafficPolicy_PASSTHROUGH},
		IngressClass:                   "istio",
		IngressControllerMode:          meshconfig.MeshConfig_STRICT,
		IngressService:                 "istio-ingressgateway",
		LocalityLbSetting:              &networking.LocalityLoadBalancerSetting{Enabled: wrapperspb.Bool(true)},
		OutboundTrafficPolicy:          &meshconfig.MeshConfig_OutboundTrafficPolicy{Mode: meshconfig.MeshConfig_OutboundTrafficPolicy_ALLOW_ANY},
		ProtocolDetectionTimeout:       durationpb.New(0),
		ProxyInboundListenPort:         15006,
		ProxyListenPort:                15001,
		RootNamespace:                  "istio-system",
		TrustDomain:                    "cluster.local",
	}
}

// parseMesh overlays the file on the defaults: a field that the file sets
// replaces the default as a whole, except that defaultConfig is overlaid field
// by field, and extensionProviders replace defaults of the same name only.
func parseMesh(s Source, r *report) *meshconfig.MeshConfig {
	mesh := DefaultMesh()
	top := document(s, r)
	if top == nil {
		return mesh
	}
	defaults := mesh.ExtensionProviders
	pairs(top, "", r, func(key string, k, v *yaml.Node) {
		switch {
		case isNull(v):
		case key == "defaultConfig" || key == "default_config":
			if v.Kind != yaml.MappingNode {
				r.errorf(where(k, v), key, "found %s, but it must be a mapping", kindOf(v))
				return
			}
			overlayProxyFields(mesh.DefaultConfig, v, key+".", r)
		default:
			overlayField(mesh.ProtoReflect(), key, key, k, v, r)
		}
	})
	mesh.ExtensionProviders = mergeProviders(defaults, mesh.ExtensionProviders)
	checkPort(mesh.ProxyListenPort, "proxyListenPort", r)
	checkPort(mesh.ProxyInboundListenPort, "proxyInboundListenPort", r)
	for _, p := range validateProxyConfig(mesh.DefaultConfig) {
		field := "defaultConfig." + p.field
		r.errorf(r.node(field), field, p.format, p.args...)
	}
	return mesh
}

func mergeProviders(defaults, given []*meshconfig.MeshConfig_ExtensionProvider) []*meshconfig.MeshConfig_ExtensionProvider {
	out := slices.Clone(defaults)
	place := make(map[string]int, len(defaults)+len(given))
	for i, d := range defaults {
		place[d.Name] = i
	}
	for _, g := range given {
		if i, ok := place[g.Name]; ok {
			out[i] = g
			continue
		}
		place[g.Name] = len(out)
		out = append(out, g)
	}
	return out
}

func checkPort(port int32, field string, r *report) {
	if port < 0 || port > 65535 {
		r.errorf(r.node(field), field, "invalid value %s, must be a port from 0 to 65535", shown("%d", port))
	}
}

// OverlayProxyConfig returns base overlaid with the YAML text of a ProxyConfig,
// which is what the annotation proxy.istio.io/config holds: a field that the
// text sets replaces the one of base as a whole, and proxyMetadata is merged key
// by key. The base is not changed. Fields that are not known are ignored. Messages
// begin with name in place of a file's name.
func OverlayProxyConfig(base *meshconfig.ProxyConfig, name, text string) (*meshconfig.ProxyConfig, error) {
	r := &report{source: Source{Name: name}}
	out := proto.Clone(base).(*meshconfig.ProxyConfig)
	if top := document(Source{Name: name, Data: []byte(text)}, r); top != nil {
		if err := checkOverlay(name, top); err != nil {
			return nil, err
		}
		overlayProxyFields(out, top, "", r)
	}
	if len(r.errs) == 0 {
		for _, p := range validateProxyConfig(out) {
			r.errorf(r.node(p.field), p.field, p.format, p.args...)
		}
	}
	_, err := join(r)
	return out, err
}

func overlayProxyFields(pc *meshconfig.ProxyConfig, m *yaml.Node, prefix string, r *report) {
	metadata := pc.ProxyMetadata
	pairs(m, prefix, r, func(key string, k, v *yaml.Node) {
		if !isNull(v) {
			overlayField(pc.ProtoReflect(), key, prefix+key, k, v, r)
		}
	})
	if metadata != nil {
		merged := maps.Clone(metadata)
		maps.Copy(merged, pc.ProxyMetadata)
		pc.ProxyMetadata = merged
	}
}
