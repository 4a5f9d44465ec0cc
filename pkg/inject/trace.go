package inject

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cut"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/proxy"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/status"
)

// note adds a step to the trace of the decision. Callers need not ask whether there
// is one, but should not compute much for it.
func (r *request) note(check, detail string) {
	if r.asked.Trace {
		r.trace = append(r.trace, decide.Step{Check: cut.Line(check, maxName), Detail: cut.Line(detail, maxDetail)})
	}
}

func (r *request) noteTemplates() {
	if !r.asked.Trace {
		return
	}
	from := "defaultTemplates"
	if _, own := r.received.Annotations[templatesKey]; own {
		from = "annotation " + templatesKey
	}
	r.note("templates", strings.Join(r.templates, ", ")+" ("+from+")")
}

// noteEarlier says whether the pod has been injected before.
func (r *request) noteEarlier() {
	switch {
	case !r.asked.Trace:
	case !r.reinvoked:
		r.note("annotation "+status.Key, "not set: the pod has not been injected before")
	default:
		names := append(slices.Clone(r.earlier.InitContainers), r.earlier.Containers...)
		r.note("annotation "+status.Key, "the pod has been injected before, that is replaced: "+strings.Join(names, ", "))
	}
}

// noteNative says whether the proxy becomes a native sidecar, and what decides it.
func (r *request) noteNative(pod *corev1.Pod, setting bool) {
	if !r.asked.Trace {
		return
	}
	detail := "off"
	if proxy.Native(pod.Annotations, setting) {
		detail = "on"
	}
	if proxy.Native(pod.Annotations, true) == proxy.Native(pod.Annotations, false) {
		detail += " (annotation " + proxy.NativeSidecarKey + ")"
	}
	r.note("native sidecars", detail)
}

// noteAdded says what the injection adds.
func (r *request) noteAdded(s *status.Status) {
	if !r.asked.Trace {
		return
	}
	for _, list := range []struct {
		what  string
		names []string
	}{{"init containers", s.InitContainers}, {"containers", s.Containers}, {"volumes", s.Volumes}, {"image pull secrets", s.ImagePullSecrets}} {
		if len(list.names) > 0 {
			r.note("injected "+list.what, strings.Join(list.names, ", "))
		}
	}
}
