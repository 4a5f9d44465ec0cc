package config

// The getters that the generated code of Istio 1.1 had, as far as templates call
// them. Like those, they work on nil.

func (m *ClassicMesh) GetDefaultConfig() *ClassicProxy {
	if m == nil {
		return nil
	}
	return m.DefaultConfig
}

func (m *ClassicMesh) GetSdsUdsPath() string {
	if m == nil {
		return ""
	}
	return m.SdsUdsPath
}

func (m *ClassicMesh) GetTrustDomain() string {
	if m == nil {
		return ""
	}
	return m.TrustDomain
}

func (m *ClassicMesh) GetRootNamespace() string {
	if m == nil {
		return ""
	}
	return m.RootNamespace
}

func (m *ClassicMesh) GetOutboundTrafficPolicy() *OutboundPolicy {
	if m == nil {
		return nil
	}
	return m.OutboundTrafficPolicy
}

func (p *OutboundPolicy) GetMode() OutboundMode {
	if p == nil {
		return 0
	}
	return p.Mode
}

func (p *ClassicProxy) GetTracing() *ClassicTracing {
	if p == nil {
		return nil
	}
	return p.Tracing
}

func (p *ClassicProxy) GetDiscoveryAddress() string {
	if p == nil {
		return ""
	}
	return p.DiscoveryAddress
}

func (p *ClassicProxy) GetZipkinAddress() string {
	if p == nil {
		return ""
	}
	return p.ZipkinAddress
}

func (p *ClassicProxy) GetStatsdUdpAddress() string {
	if p == nil {
		return ""
	}
	return p.StatsdUdpAddress
}

func (p *ClassicProxy) GetEnvoyMetricsServiceAddress() string {
	if p == nil {
		return ""
	}
	return p.EnvoyMetricsServiceAddress
}

func (p *ClassicProxy) GetConcurrency() int32 {
	if p == nil {
		return 0
	}
	return p.Concurrency
}

func (p *ClassicProxy) GetInterceptionMode() InterceptionMode {
	if p == nil {
		return 0
	}
	return p.InterceptionMode
}

func (t *ClassicTracing) GetZipkin() *Zipkin {
	if t == nil {
		return nil
	}
	return t.Zipkin
}

func (t *ClassicTracing) GetLightstep() *Lightstep {
	if t == nil {
		return nil
	}
	return t.Lightstep
}

func (t *ClassicTracing) GetDatadog() *Datadog {
	if t == nil {
		return nil
	}
	return t.Datadog
}

func (z *Zipkin) GetAddress() string {
	if z == nil {
		return ""
	}
	return z.Address
}

func (l *Lightstep) GetAddress() string {
	if l == nil {
		return ""
	}
	return l.Address
}

func (l *Lightstep) GetAccessToken() string {
	if l == nil {
		return ""
	}
	return l.AccessToken
}

func (l *Lightstep) GetSecure() bool { return l != nil && l.Secure }

func (l *Lightstep) GetCacertPath() string {
	if l == nil {
		return ""
	}
	return l.CacertPath
}

func (d *Datadog) GetAddress() string {
	if d == nil {
		return ""
	}
	return d.Address
}
