package inject

import (
	"context"
	"errors"

	apiruntime "k8s.io/apimachinery/pkg/runtime"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/merge"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/proxy"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render"
)

// rendered is what a template has rendered for a pod.
type rendered struct {
	template string
	overlay  *merge.Overlay
	// explain explains an error of merging; nil where that is not asked for.
	explain func(error) error
}

// render executes the templates in order, each shown the same pod.
func (r *request) render(view *podmodel.Pod) ([]rendered, error) {
	if err := r.enter(stepRender); err != nil {
		return nil, err
	}
	data := r.templateData(view)
	r.noteNative(view.Pod, data.NativeSidecars)
	out := make([]rendered, 0, len(r.templates))
	for _, name := range r.templates {
		t := r.Snapshot.templates[name]
		shown := data
		if t.Mutates() {
			own := *data
			own.Values = apiruntime.DeepCopyJSON(data.Values)
			shown = &own
		}
		overlay, err := execute(r, t, shown, &r.overlays, merge.ParseOverlay)
		explain := r.explainer(t, shown)
		if err != nil {
			return nil, refuseRendering(name, err, explain)
		}
		if r.observer != nil {
			r.observer.parsed(overlay)
		}
		out = append(out, rendered{name, overlay, explain})
	}
	return out, nil
}

// execute renders a template and parses the text.
func execute[T sized](r *request, t *render.Template, data any, cache *parseCache[T], parse func(context.Context, []byte) (T, error)) (out T, err error) {
	err = t.ExecuteFunc(r.ctx, &r.work, data, func(text []byte) (err error) {
		if r.observer != nil {
			r.observer.see(r.ctx, t, data, text, r.config.Dialect == config.Classic)
		}
		out, err = cache.get(r.ctx, text, parse)
		return err
	})
	return out, err
}

// refuseRendering refuses a pod because of its template, or because of what that
// renders.
func refuseRendering(name string, err error, explain func(error) error) error {
	code := decide.MergeError
	var failed *render.Error
	if errors.As(err, &failed) {
		code = decide.TemplateError
	}
	switch {
	case explain != nil:
		err = explain(err)
	case failed == nil:
		err = &outputError{template: name, err: err}
	}
	return refuse(code, err)
}

// explainer returns what explains errors of a template, see [explainer]; nil where that
// is not asked for.
func (r *request) explainer(t *render.Template, data any) func(error) error {
	if r.observer == nil {
		return nil
	}
	return (&explainer{ctx: r.ctx, template: t, data: data}).explain
}

// templateData is what templates see.
func (r *request) templateData(view *podmodel.Pod) *render.Data {
	meta := view.ObjectMeta
	meta.Namespace = r.namespace
	imageType := r.values.imageType(meta.Annotations, r.proxyConfig)
	data := r.constantData()
	if r.options.Platform == PlatformOpenShift {
		data.ProxyUID, data.ProxyGID = proxy.OpenShiftIDs(r.namespaceAnnotations())
	}
	data.TypeMeta, data.DeploymentMeta = r.owner.TypeMeta, &r.owner.ObjectMeta
	data.ObjectMeta, data.Spec = &meta, &view.Spec
	data.ProxyConfig = r.proxyConfig
	data.NativeSidecars = r.nativeSidecars(view)
	data.ProxyImage = r.values.reference(r.values.image, imageType)
	data.ProxyInitImage = r.values.reference(r.values.initImage, imageType)
	return &data
}

// nativeSidecars is the cluster's setting for the pod's node.
func (r *request) nativeSidecars(pod *podmodel.Pod) bool {
	native := r.options.Cluster != nil && r.options.Cluster.NativeSidecars(pod.Spec.NodeName)
	if r.observer != nil && r.observer.otherNative {
		return !native
	}
	return native
}

func (r *request) namespaceAnnotations() map[string]string {
	if r.options.Cluster == nil {
		return nil
	}
	_, annotations, _ := r.options.Cluster.Namespace(r.namespace)
	return annotations
}

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
