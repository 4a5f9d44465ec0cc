package inject

import (
	"errors"
	"fmt"
	"maps"

	meshconfig "istio.io/api/mesh/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	apiruntime "k8s.io/apimachinery/pkg/runtime"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/merge"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/patch"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/proxy"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/status"
)

// injection is the injection of one pod in the current dialect.
type injection struct {
	*work
	proxyConfig *meshconfig.ProxyConfig
	// before is the status of an earlier injection; again tells that there is
	// one.
	before    status.Status
	again     bool
	overrides status.Overrides
	location  proxy.Location
	// pod becomes the result; template is what the templates alone make. Both
	// share memory with the pod received and with overlays: what they refer to
	// is replaced, never changed.
	pod, template *corev1.Pod
}

func (w *work) current() (*corev1.Pod, error) {
	in := &injection{work: w, template: &corev1.Pod{}}
	var err error
	if in.proxyConfig, err = w.s.proxyConfig(w.original.Annotations); err != nil {
		return nil, refuse(decide.InvalidAnnotation, err)
	}
	in.before, in.again = status.Read(w.original.Annotations)
	if in.overrides, err = status.ReadOverrides(w.original.Annotations); err != nil {
		return nil, refuse(decide.InvalidAnnotation, err)
	}
	in.noteBefore(&in.before, in.again)
	in.location = proxy.NewLocation(w.req.Path, w.s.values.cluster, w.s.values.network, w.original.Labels)
	declared := w.original
	if w.s.options.Platform == PlatformOpenShift {
		declared = proxy.CopyForWrite(declared)
		proxy.DropAssignedUser(declared)
	}
	pod := *declared
	in.pod = &pod
	if err := in.render(declared); err != nil {
		return nil, err
	}
	in.warnLost(&declared.Spec)
	in.pod = proxy.CopyForWrite(in.pod)
	if err := in.reapply(declared); err != nil {
		return nil, refuse(decide.MergeError, err)
	}
	if err := in.finish(); err != nil {
		return nil, err
	}
	if in.again {
		proxy.KeepOrder(&w.original.Spec, &in.pod.Spec)
	}
	return in.pod, nil
}

// render executes the templates in order, shown the pod, and merges each onto
// the template pod, and onto the pod that is to be injected unless there is none.
func (in *injection) render(view *corev1.Pod) error {
	data := in.data(view)
	in.noteNative(view, data.NativeSidecars)
	// emptied is the template that has left the pod without containers.
	emptied := ""
	for _, name := range in.names {
		overlay, err := in.overlay(name, data)
		if err != nil {
			return err
		}
		if err := merge.Apply(in.template, overlay); err != nil {
			return refuse(decide.MergeError, fmt.Errorf("template %q: %w", name, err))
		}
		if in.pod == nil {
			continue
		}
		if proxy.Native(in.pod.Annotations, data.NativeSidecars) && proxy.FindContainer(in.template.Spec.InitContainers, proxy.Name) != nil {
			proxy.MoveToInit(&in.pod.Spec)
		}
		had := len(in.pod.Spec.Containers)
		if err := merge.Apply(in.pod, overlay); err != nil {
			return refuse(decide.MergeError, fmt.Errorf("template %q: %w", name, err))
		}
		switch has := len(in.pod.Spec.Containers); {
		case has > 0:
			emptied = ""
		case had > 0:
			emptied = name
		}
		for _, u := range overlay.Unknown() {
			in.extras = append(in.extras, patch.Extra(u))
		}
	}
	if emptied != "" {
		return refuse(decide.MergeError, fmt.Errorf("template %q removes every container of the pod: where it renders spec.containers without an item, or with $patch: delete, leave the field out", emptied))
	}
	return nil
}

// noteNative tells whether the proxy becomes a native sidecar, and who says so.
func (in *injection) noteNative(pod *corev1.Pod, setting bool) {
	found := "off"
	if proxy.Native(pod.Annotations, setting) {
		found = "on"
	}
	if proxy.Native(pod.Annotations, true) == proxy.Native(pod.Annotations, false) {
		found += " (annotation " + proxy.NativeSidecarKey + ")"
	}
	in.note("native sidecars", found)
}

func (in *injection) overlay(name string, data *render.Data) (*merge.Overlay, error) {
	t := in.s.templates[name]
	if t.Mutates() {
		mine := *data
		mine.Values = apiruntime.DeepCopyJSON(data.Values)
		data = &mine
	}
	overlay, err := show(t, data, &in.s.overlays, merge.ParseOverlay)
	return overlay, refuseRendering(name, err)
}

// show renders a template and parses what comes of it.
func show[T any](t *render.Template, data any, known *texts[T], parse func([]byte) (T, error)) (out T, err error) {
	err = t.ExecuteFunc(data, func(text []byte) (err error) {
		out, err = known.get(text, parse)
		return err
	})
	return out, err
}

// refuseRendering refuses a pod because of its template, or because of what that
// renders.
func refuseRendering(name string, err error) error {
	var failed *render.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &failed):
		return refuse(decide.TemplateError, err)
	}
	return refuse(decide.MergeError, fmt.Errorf("template %q renders what is not part of a pod: %w", name, err))
}

// data is what templates see: the pod as if it had never been injected.
func (in *injection) data(view *corev1.Pod) *render.Data {
	s := in.s
	if in.again || !in.overrides.Empty() {
		view = in.stripped(view)
	}
	meta := view.ObjectMeta
	meta.Namespace = in.namespace
	kind := s.values.imageType(meta.Annotations, in.proxyConfig)
	data := s.constantData()
	if s.options.Platform == PlatformOpenShift {
		data.ProxyUID, data.ProxyGID = proxy.OpenShiftIDs(s.namespaceAnnotations(in.namespace))
	}
	data.TypeMeta, data.DeploymentMeta = in.owner.TypeMeta, &in.owner.ObjectMeta
	data.ObjectMeta, data.Spec = &meta, &view.Spec
	data.ProxyConfig = in.proxyConfig
	data.NativeSidecars = s.options.Cluster != nil && s.options.Cluster.NativeSidecars(view.Spec.NodeName)
	data.ProxyImage = s.values.reference(s.values.image, kind)
	data.ProxyInitImage = s.values.reference(s.values.initImage, kind)
	return &data
}

// stripped is the pod without an earlier injection, as far as templates see it.
// Volumes and image pull secrets go, too: a template that adds one only where the
// pod has none would leave it out the second time, and with it what depends on it.
func (in *injection) stripped(pod *corev1.Pod) *corev1.Pod {
	out := status.WithoutLists(status.WithoutContainers(pod, in.before, in.overrides), in.before)
	if in.again && in.s.metrics().PointsAtAgent(out.Annotations) {
		out.Annotations = maps.Clone(out.Annotations)
		proxy.ClearScrape(out.Annotations)
	}
	return out
}

func (s *Snapshot) namespaceAnnotations(namespace string) map[string]string {
	if s.options.Cluster == nil {
		return nil
	}
	_, annotations, _ := s.options.Cluster.Namespace(namespace)
	return annotations
}

// finish does what templates cannot.
func (in *injection) finish() error {
	s, pod := in.s, in.pod
	in.location.Apply(pod, in.again)
	if err := s.metrics().Apply(pod); err != nil {
		return refuse(decide.InvalidAnnotation, err)
	}
	proxy.AnnounceSecurePort(pod)
	proxy.Probes{Rewrite: s.values.rewriteProbe, StatusPort: s.StatusPort()}.Apply(pod, in.again)
	now := status.Of(&in.template.Spec)
	in.noteStatus(&now)
	now.Revision = s.options.Revision
	pod.Annotations[status.Key] = now.String()
	maps.Copy(pod.Annotations, s.config.InjectedAnnotations)
	proxy.Order(pod, s.values.hold || in.proxyConfig.GetHoldApplicationUntilProxyStarts().GetValue())
	return nil
}

// metrics are the settings for the application's metrics; the mesh merges them
// unless it says otherwise.
func (s *Snapshot) metrics() proxy.Metrics {
	merge := s.config.Mesh.GetEnablePrometheusMerge()
	return proxy.Metrics{Merge: merge == nil || merge.Value, StatusPort: s.StatusPort()}
}
