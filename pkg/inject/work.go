package inject

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/annotations"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/patch"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/status"
)

// templatesKey names the templates for one pod, comma separated.
const templatesKey = "inject.istio.io/templates"

// work is the injection of one pod.
type work struct {
	s   *Snapshot
	req *Request
	// original is the pod as it was received; it is never changed.
	original  *corev1.Pod
	namespace string
	owner     *Owner
	names     []string
	// extras are fields of templates that the Go types do not have: no pod can
	// hold them, so they go straight into the patch.
	extras []patch.Extra
	// warnings are for the person who created the pod.
	warnings []string
	// steps continue the trace of the decision, if one is asked for.
	steps []decide.Step
}

// note adds a step to the trace. Callers need not ask whether there is one, but
// should not compute much for it.
func (w *work) note(check, found string) {
	if w.req.Trace {
		w.steps = append(w.steps, decide.Step{Check: check, Detail: found})
	}
}

// noteStatus tells what the injection adds.
func (w *work) noteStatus(s *status.Status) {
	if !w.req.Trace {
		return
	}
	for _, list := range []struct {
		what  string
		names []string
	}{{"init containers", s.InitContainers}, {"containers", s.Containers}, {"volumes", s.Volumes}, {"image pull secrets", s.ImagePullSecrets}} {
		if len(list.names) > 0 {
			w.note("injected "+list.what, strings.Join(list.names, ", "))
		}
	}
}

// noteBefore tells of an earlier injection.
func (w *work) noteBefore(s *status.Status, present bool) {
	switch {
	case !w.req.Trace:
	case !present:
		w.note("annotation "+status.Key, "not set: the pod has not been injected before")
	default:
		w.note("annotation "+status.Key, "the pod has been injected before, that is replaced: "+strings.Join(append(slices.Clone(s.InitContainers), s.Containers...), ", "))
	}
}

func (w *work) run() (*corev1.Pod, error) {
	if err := refuse(decide.InvalidAnnotation, annotations.Check(w.original.Annotations)); err != nil {
		return nil, err
	}
	if w.s.config.Dialect == config.Classic {
		w.names = w.s.config.DefaultTemplates
		before, present := status.Read(w.original.Annotations)
		w.noteBefore(&before, present)
		return w.classic()
	}
	names, err := w.s.selectTemplates(w.original.Annotations)
	if err != nil {
		return nil, err
	}
	w.names = names
	if _, own := w.original.Annotations[templatesKey]; own {
		w.note("templates", strings.Join(names, ", ")+" (annotation "+templatesKey+")")
	} else {
		w.note("templates", strings.Join(names, ", ")+" (defaultTemplates)")
	}
	return w.current()
}

// selectTemplates returns the templates for one pod, aliases replaced.
func (s *Snapshot) selectTemplates(annotations map[string]string) ([]string, error) {
	wanted := s.config.DefaultTemplates
	from := "defaultTemplates"
	if list, ok := annotations[templatesKey]; ok {
		from = "annotation " + templatesKey
		wanted = strings.Split(list, ",")
	}
	out := make([]string, 0, len(wanted))
	for _, name := range wanted {
		name = strings.TrimSpace(name)
		if list, ok := s.config.Aliases[name]; ok {
			out = append(out, list...)
		} else {
			out = append(out, name)
		}
	}
	for _, name := range out {
		if _, ok := s.templates[name]; !ok {
			known := append(s.TemplateNames(), slices.Sorted(maps.Keys(s.config.Aliases))...)
			return nil, refuse(decide.UnknownTemplate, fmt.Errorf("%s: there is no template named %.60q; known are %s", from, name, strings.Join(known, ", ")))
		}
	}
	return out, nil
}
