package config

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
)

func TestMeshIsOverlaidOnItsDefaults(t *testing.T) {
	m := mustParse(t, minimal, `
enablePrometheusMerge: false
defaultProviders: {}
trust_domain: example.org
rootNamespace: null
extensionProviders:
- name: otel
  opentelemetry: {service: otel, port: 4317}
- name: envoy
  envoyFileAccessLog: {path: /dev/stderr}
defaultConfig:
  statNameLength: 0
  concurrency: 4
  proxyMetadata: {A: b}
  tracing: {}
`, "").Mesh
	pc := m.DefaultConfig
	if m.EnablePrometheusMerge.Value || m.TrustDomain != "example.org" || m.RootNamespace != "istio-system" || len(m.DefaultProviders.Metrics) != 0 {
		t.Errorf("mesh %v", m)
	}
	var names []string
	for _, p := range m.ExtensionProviders {
		names = append(names, p.Name)
	}
	if got := strings.Join(names, ","); got != "prometheus,stackdriver,envoy,otel" || m.ExtensionProviders[2].GetEnvoyFileAccessLog().Path != "/dev/stderr" {
		t.Errorf("extension providers %s: %v", got, m.ExtensionProviders)
	}
	if pc.StatNameLength != 0 || pc.Concurrency.Value != 4 || pc.Tracing == nil || pc.StatusPort != 15020 || pc.DrainDuration.AsDuration() != 45*time.Second {
		t.Errorf("proxy config %v", pc)
	}
}

func TestOverlayProxyConfig(t *testing.T) {
	base := DefaultProxyConfig()
	base.ProxyMetadata = map[string]string{"A": "base", "B": "base"}
	before := proto.Clone(base)
	got, err := OverlayProxyConfig(base, "annotation", "discoveryAddress: a:1\nconcurrency: 0\nunknown: 1\nproxyMetadata: {B: pod, C: pod}\n")
	if err != nil {
		t.Fatal(err)
	}
	if got.DiscoveryAddress != "a:1" || got.Concurrency == nil || got.Concurrency.Value != 0 || got.StatusPort != 15020 {
		t.Errorf("got %v", got)
	}
	for k, want := range map[string]string{"A": "base", "B": "pod", "C": "pod"} {
		if got.ProxyMetadata[k] != want {
			t.Errorf("metadata %s = %q, want %q", k, got.ProxyMetadata[k], want)
		}
	}
	if !proto.Equal(base, before) {
		t.Error("the base has been changed")
	}
	if got, err := OverlayProxyConfig(base, "annotation", ""); err != nil || !proto.Equal(got, base) {
		t.Errorf("an empty text gives %v, %v", got, err)
	}
	for text, want := range map[string]string{
		"concurrency: many":              `annotation:1:14: concurrency: found the string "many"`,
		"[]":                             "annotation:1:1: found a list",
		"a: b: c":                        "annotation:1:5: not valid YAML",
		"\nstatusPort: 70000":            "annotation:2:13: statusPort: invalid value 70000",
		"tracing: {odd: 1, zipkin: [1]}": "annotation:1:1: tracing: found a mapping",
		"proxyAdminPort: 0":              "proxyAdminPort: invalid value 0",
	} {
		if _, err := OverlayProxyConfig(base, "annotation", text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
	// The kubelet fills in what stands in $( ).
	if _, err := OverlayProxyConfig(base, "annotation", "tracing: {datadog: {address: '$(HOST_IP):8126'}}"); err != nil {
		t.Errorf("an address that is expanded later: %v", err)
	}
}

func TestClassicMesh(t *testing.T) {
	m := mustParse(t, "policy: enabled\ntemplate: x\n", `
sdsUdsPath: unix:/var/run/sds
trustDomain: example.org
authPolicy: MUTUAL_TLS
ingressControllerMode: STRICT
accessLogEncoding: JSON
outboundTrafficPolicy: {mode: REGISTRY_ONLY}
defaultConfig:
  parentShutdownDuration: 90s
  zipkinAddress: zipkin:9411
  statsdUdpAddress: stats:9125
  envoyMetricsServiceAddress: metrics:15000
  concurrency: 2
  interceptionMode: TPROXY
  controlPlaneAuthPolicy: MUTUAL_TLS
  tracing:
    zipkin: {address: zipkin:9411}
    lightstep: {address: ls:1, accessToken: x, secure: true, cacertPath: /ca}
    datadog: {address: dd:8126}
`, "").ClassicMesh
	p := m.GetDefaultConfig()
	for what, got := range map[string]string{
		"unix:/var/run/sds": m.GetSdsUdsPath(),
		"example.org":       m.GetTrustDomain(),
		"istio-system":      m.GetRootNamespace(),
		"MUTUAL_TLS":        m.AuthPolicy.String(),
		"STRICT":            m.IngressControllerMode.String(),
		"JSON":              m.AccessLogEncoding.String(),
		"REGISTRY_ONLY":     m.GetOutboundTrafficPolicy().GetMode().String(),
		"1m30s":             p.ParentShutdownDuration.AsDuration().String(),
		"istio-pilot:15010": p.GetDiscoveryAddress(),
		"zipkin:9411":       p.GetTracing().GetZipkin().GetAddress(),
		"TPROXY":            p.GetInterceptionMode().String(),
		"ls:1":              p.GetTracing().GetLightstep().GetAddress(),
		"x":                 p.GetTracing().GetLightstep().GetAccessToken(),
		"/ca":               p.GetTracing().GetLightstep().GetCacertPath(),
		"dd:8126":           p.GetTracing().GetDatadog().GetAddress(),
		"stats:9125":        p.GetStatsdUdpAddress(),
		"metrics:15000":     p.GetEnvoyMetricsServiceAddress(),
	} {
		if got != what {
			t.Errorf("got %q, want %q", got, what)
		}
	}
	if p.GetZipkinAddress() != "zipkin:9411" || p.GetConcurrency() != 2 || !p.GetTracing().GetLightstep().GetSecure() || p.ControlPlaneAuthPolicy.String() != "MUTUAL_TLS" {
		t.Errorf("proxy %+v", p)
	}
	if ProxyAuthPolicy(7).String() != "7" || ProxyAuthPolicy(1000).String() != "INHERIT" {
		t.Error("names of numbers")
	}
}

// Old templates call getters on what is not set.
func TestClassicGettersWorkOnNil(t *testing.T) {
	var m *ClassicMesh
	p := m.GetDefaultConfig()
	if m.GetSdsUdsPath()+m.GetTrustDomain()+m.GetRootNamespace()+p.GetDiscoveryAddress()+p.GetZipkinAddress()+p.GetStatsdUdpAddress()+p.GetEnvoyMetricsServiceAddress() != "" {
		t.Error("a getter of nil gives something")
	}
	tr := p.GetTracing()
	if tr.GetZipkin().GetAddress()+tr.GetLightstep().GetAddress()+tr.GetLightstep().GetAccessToken()+tr.GetLightstep().GetCacertPath()+tr.GetDatadog().GetAddress() != "" || tr.GetLightstep().GetSecure() {
		t.Error("a getter of a nil tracer gives something")
	}
	var d *Duration
	if m.GetOutboundTrafficPolicy().GetMode() != 0 || p.GetConcurrency() != 0 || p.GetInterceptionMode() != 0 || d.AsDuration() != 0 {
		t.Error("a number of nil is not 0")
	}
}
