package config

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// ClassicMesh is the mesh configuration in its Istio 1.1 shape, which old
// templates rely on: plain scalars, and fields that today's API has dropped.
// Templates may read fields (.MeshConfig.ProxyListenPort) as well as call the
// getters that the generated code had then (.ProxyConfig.GetTracing).
type ClassicMesh struct {
	MixerCheckServer                  string            `json:"mixerCheckServer,omitempty"`
	MixerReportServer                 string            `json:"mixerReportServer,omitempty"`
	DisablePolicyChecks               bool              `json:"disablePolicyChecks,omitempty"`
	PolicyCheckFailOpen               bool              `json:"policyCheckFailOpen,omitempty"`
	SidecarToTelemetrySessionAffinity bool              `json:"sidecarToTelemetrySessionAffinity,omitempty"`
	ProxyListenPort                   int32             `json:"proxyListenPort,omitempty"`
	ProxyHttpPort                     int32             `json:"proxyHttpPort,omitempty"`
	ConnectTimeout                    *Duration         `json:"connectTimeout,omitempty"`
	IngressClass                      string            `json:"ingressClass,omitempty"`
	IngressService                    string            `json:"ingressService,omitempty"`
	IngressControllerMode             IngressMode       `json:"ingressControllerMode,omitempty"`
	AuthPolicy                        MeshAuthPolicy    `json:"authPolicy,omitempty"`
	RdsRefreshDelay                   *Duration         `json:"rdsRefreshDelay,omitempty"`
	EnableTracing                     bool              `json:"enableTracing,omitempty"`
	AccessLogFile                     string            `json:"accessLogFile,omitempty"`
	AccessLogFormat                   string            `json:"accessLogFormat,omitempty"`
	AccessLogEncoding                 AccessLogEncoding `json:"accessLogEncoding,omitempty"`
	DefaultConfig                     *ClassicProxy     `json:"defaultConfig,omitempty"`
	OutboundTrafficPolicy             *OutboundPolicy   `json:"outboundTrafficPolicy,omitempty"`
	EnableClientSidePolicyCheck       bool              `json:"enableClientSidePolicyCheck,omitempty"`
	SdsUdsPath                        string            `json:"sdsUdsPath,omitempty"`
	SdsRefreshDelay                   *Duration         `json:"sdsRefreshDelay,omitempty"`
	EnableSdsTokenMount               bool              `json:"enableSdsTokenMount,omitempty"`
	SdsUseK8SSaJwt                    bool              `json:"sdsUseK8sSaJwt,omitempty"`
	TrustDomain                       string            `json:"trustDomain,omitempty"`
	DefaultServiceExportTo            []string          `json:"defaultServiceExportTo,omitempty"`
	DefaultVirtualServiceExportTo     []string          `json:"defaultVirtualServiceExportTo,omitempty"`
	DefaultDestinationRuleExportTo    []string          `json:"defaultDestinationRuleExportTo,omitempty"`
	RootNamespace                     string            `json:"rootNamespace,omitempty"`
	DnsRefreshRate                    *Duration         `json:"dnsRefreshRate,omitempty"`
	DisableMixerHttpReports           bool              `json:"disableMixerHttpReports,omitempty"`
	InboundClusterStatName            string            `json:"inboundClusterStatName,omitempty"`
	OutboundClusterStatName           string            `json:"outboundClusterStatName,omitempty"`
}

// ClassicProxy is the proxy configuration in its Istio 1.1 shape.
type ClassicProxy struct {
	ConfigPath                 string           `json:"configPath,omitempty"`
	BinaryPath                 string           `json:"binaryPath,omitempty"`
	ServiceCluster             string           `json:"serviceCluster,omitempty"`
	DrainDuration              *Duration        `json:"drainDuration,omitempty"`
	ParentShutdownDuration     *Duration        `json:"parentShutdownDuration,omitempty"`
	DiscoveryAddress           string           `json:"discoveryAddress,omitempty"`
	DiscoveryRefreshDelay      *Duration        `json:"discoveryRefreshDelay,omitempty"`
	ZipkinAddress              string           `json:"zipkinAddress,omitempty"`
	ConnectTimeout             *Duration        `json:"connectTimeout,omitempty"`
	StatsdUdpAddress           string           `json:"statsdUdpAddress,omitempty"`
	EnvoyMetricsServiceAddress string           `json:"envoyMetricsServiceAddress,omitempty"`
	ProxyAdminPort             int32            `json:"proxyAdminPort,omitempty"`
	AvailabilityZone           string           `json:"availabilityZone,omitempty"`
	ControlPlaneAuthPolicy     ProxyAuthPolicy  `json:"controlPlaneAuthPolicy,omitempty"`
	CustomConfigFile           string           `json:"customConfigFile,omitempty"`
	StatNameLength             int32            `json:"statNameLength,omitempty"`
	Concurrency                int32            `json:"concurrency,omitempty"`
	ProxyBootstrapTemplatePath string           `json:"proxyBootstrapTemplatePath,omitempty"`
	InterceptionMode           InterceptionMode `json:"interceptionMode,omitempty"`
	Tracing                    *ClassicTracing  `json:"tracing,omitempty"`
}

// ClassicTracing names the tracer that proxies report to.
type ClassicTracing struct {
	Zipkin    *Zipkin    `json:"zipkin,omitempty"`
	Lightstep *Lightstep `json:"lightstep,omitempty"`
	Datadog   *Datadog   `json:"datadog,omitempty"`
}

// Zipkin is where Zipkin listens.
type Zipkin struct {
	Address string `json:"address,omitempty"`
}

// Lightstep is where LightStep listens and how to log in.
type Lightstep struct {
	Address     string `json:"address,omitempty"`
	AccessToken string `json:"accessToken,omitempty"`
	Secure      bool   `json:"secure,omitempty"`
	CacertPath  string `json:"cacertPath,omitempty"`
}

// Datadog is where the Datadog agent listens.
type Datadog struct {
	Address string `json:"address,omitempty"`
}

// OutboundPolicy is what happens to traffic for unknown destinations.
type OutboundPolicy struct {
	Mode OutboundMode `json:"mode,omitempty"`
}

// The enumerations of Istio 1.1. Their numbers are those of the protobuf
// definitions, because templates may compare with the number or the name.
type (
	IngressMode       int32
	MeshAuthPolicy    int32
	ProxyAuthPolicy   int32
	AccessLogEncoding int32
	InterceptionMode  int32
	OutboundMode      int32
)

func (e IngressMode) String() string       { return enumName(int32(e), ingressModes()) }
func (e MeshAuthPolicy) String() string    { return enumName(int32(e), meshAuthPolicies()) }
func (e ProxyAuthPolicy) String() string   { return enumName(int32(e), proxyAuthPolicies()) }
func (e AccessLogEncoding) String() string { return enumName(int32(e), accessLogEncodings()) }
func (e InterceptionMode) String() string  { return enumName(int32(e), interceptionModes()) }
func (e OutboundMode) String() string      { return enumName(int32(e), outboundModes()) }

func (e *IngressMode) UnmarshalJSON(b []byte) error    { return enumValue(e, b, ingressModes()) }
func (e *MeshAuthPolicy) UnmarshalJSON(b []byte) error { return enumValue(e, b, meshAuthPolicies()) }

func (e *ProxyAuthPolicy) UnmarshalJSON(b []byte) error { return enumValue(e, b, proxyAuthPolicies()) }

func (e *AccessLogEncoding) UnmarshalJSON(b []byte) error {
	return enumValue(e, b, accessLogEncodings())
}

func (e *InterceptionMode) UnmarshalJSON(b []byte) error { return enumValue(e, b, interceptionModes()) }
func (e *OutboundMode) UnmarshalJSON(b []byte) error     { return enumValue(e, b, outboundModes()) }

type enumNames []struct {
	n    int32
	name string
}

func ingressModes() enumNames { return enumNames{{0, "OFF"}, {1, "DEFAULT"}, {2, "STRICT"}} }
func meshAuthPolicies() enumNames {
	return enumNames{{0, "NONE"}, {1, "MUTUAL_TLS"}}
}

func proxyAuthPolicies() enumNames {
	return enumNames{{0, "NONE"}, {1, "MUTUAL_TLS"}, {1000, "INHERIT"}}
}
func accessLogEncodings() enumNames { return enumNames{{0, "TEXT"}, {1, "JSON"}} }
func interceptionModes() enumNames  { return enumNames{{0, "REDIRECT"}, {1, "TPROXY"}} }
func outboundModes() enumNames      { return enumNames{{0, "REGISTRY_ONLY"}, {1, "ALLOW_ANY"}} }

func enumName(n int32, names enumNames) string {
	for _, e := range names {
		if e.n == n {
			return e.name
		}
	}
	return strconv.Itoa(int(n))
}

func enumValue[E ~int32](into *E, text []byte, names enumNames) error {
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		return err
	}
	var allowed []string
	for _, e := range names {
		if v == e.name || v == float64(e.n) {
			*into = E(e.n)
			return nil
		}
		allowed = append(allowed, e.name)
	}
	return fmt.Errorf("invalid value %s, must be one of %q", text, allowed)
}

// Duration is a length of time as the mesh configuration writes it, "45s".
type Duration struct {
	time.Duration
}

// AsDuration returns the length of time; 0 for none.
func (d *Duration) AsDuration() time.Duration {
	if d == nil {
		return 0
	}
	return d.Duration
}

// UnmarshalJSON reads "45s", "1m30s" and the protobuf form "0.500s".
func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("invalid value %s, must be a duration, for example \"45s\"", b)
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("invalid value %q, must be a duration, for example \"45s\"", s)
	}
	d.Duration = v
	return nil
}

// MarshalJSON writes the form that UnmarshalJSON reads.
func (d *Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }
