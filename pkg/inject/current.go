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
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/post"
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
	env       map[string]string
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
	in.env = in.clusterEnv()
	declared := w.original
	if w.s.options.Platform == PlatformOpenShift {
		declared = own(declared)
		post.ForgetAssignedUser(declared)
	}
	pod := *declared
	in.pod = &pod
	if err := in.render(declared); err != nil {
		return nil, err
	}
	in.warnLost(&declared.Spec)
	in.pod = own(in.pod)
	if err := in.reapply(declared); err != nil {
		return nil, refuse(decide.MergeError, err)
	}
	if err := in.finish(); err != nil {
		return nil, err
	}
	if in.again {
		post.KeepOrder(&w.original.Spec, &in.pod.Spec)
	}
	return in.pod, nil
}

// clusterEnv tells cluster and network: the path says, else the values; the
// pod's label goes before both for the network, and an empty one before the
// values.
func (in *injection) clusterEnv() map[string]string {
	env := post.ParsePath(in.req.Path)
	if env == nil {
		env = map[string]string{}
	}
	set := func(name, value string) {
		if value != "" && env[name] == "" {
			env[name] = value
		}
	}
	set(post.ClusterEnv, in.s.values.cluster)
	network, ok := in.original.Labels[post.NetworkLabel]
	switch {
	case !ok:
		set(post.NetworkEnv, in.s.values.network)
	case network != "":
		env[post.NetworkEnv] = network
	}
	return env
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
		if post.Native(in.pod.Annotations, data.NativeSidecars) && post.Find(in.template.Spec.InitContainers, post.Proxy) != nil {
			post.MoveProxy(&in.pod.Spec)
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
	if post.Native(pod.Annotations, setting) {
		found = "on"
	}
	if post.Native(pod.Annotations, true) == post.Native(pod.Annotations, false) {
		found += " (annotation " + post.NativeSidecarKey + ")"
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
		data.ProxyUID, data.ProxyGID = post.ProxyIDs(s.namespaceAnnotations(in.namespace))
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
func (in *injection) stripped(pod *corev1.Pod) *corev1.Pod {
	out := status.WithoutContainers(pod, in.before, in.overrides)
	if in.again && post.PointsAtAgent(out.Annotations, in.s.StatusPort()) {
		out.Annotations = maps.Clone(out.Annotations)
		post.ClearScrape(out.Annotations)
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
	post.Cluster(pod, in.env, in.again)
	merges := s.config.Mesh.GetEnablePrometheusMerge()
	metrics := post.Metrics{Merge: merges == nil || merges.Value, StatusPort: s.StatusPort()}
	if err := post.Prometheus(pod, metrics); err != nil {
		return refuse(decide.InvalidAnnotation, err)
	}
	post.SecurePort(pod)
	post.RewriteProbes(pod, post.Probes{Rewrite: s.values.rewriteProbe, StatusPort: s.StatusPort()}, in.again)
	now := status.Of(&in.template.Spec)
	in.noteStatus(&now)
	now.Revision = s.options.Revision
	pod.Annotations[status.Key] = now.String()
	maps.Copy(pod.Annotations, s.config.InjectedAnnotations)
	post.Order(pod, s.values.hold || in.proxyConfig.GetHoldApplicationUntilProxyStarts().GetValue())
	return nil
}
