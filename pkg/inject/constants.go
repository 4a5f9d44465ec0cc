package inject

import (
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/proxy"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render"
)

// constants are what templates see that no pod changes: compiling a template works
// out what follows from them. Few pods have a proxy configuration of their own,
// and for those there is a second set.
func (s *Snapshot) constants() []render.Constants {
	if s.config.Dialect == config.Classic {
		mesh := s.config.ClassicMesh
		data := &render.ClassicData{MeshConfig: mesh, ProxyConfig: mesh.DefaultConfig}
		return []render.Constants{{Data: data, Fields: []string{"MeshConfig", "ProxyConfig"}}}
	}
	data := s.constantData()
	fields := []string{"MeshConfig", "Values", "Revision", "InboundTrafficPolicyMode", "CompliancePolicy"}
	if s.options.Platform != PlatformOpenShift {
		fields = append(fields, "ProxyUID", "ProxyGID")
	}
	return []render.Constants{
		{Data: &data, Fields: append([]string{"ProxyConfig"}, fields...)},
		{Data: &data, Fields: fields},
	}
}

// constantData is what templates see, but for what depends on the pod.
func (s *Snapshot) constantData() render.Data {
	return render.Data{
		ProxyConfig:              s.config.Mesh.GetDefaultConfig(),
		MeshConfig:               s.config.Mesh,
		Values:                   s.config.Values,
		Revision:                 s.options.Revision,
		ProxyUID:                 proxy.DefaultID,
		ProxyGID:                 proxy.DefaultID,
		InboundTrafficPolicyMode: s.inbound,
		CompliancePolicy:         s.options.CompliancePolicy,
	}
}
