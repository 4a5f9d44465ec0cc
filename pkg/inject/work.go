package inject

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/post"
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
}

func (w *work) run() (*corev1.Pod, error) {
	if err := refuse(decide.InvalidAnnotation, post.CheckAnnotations(w.original.Annotations)); err != nil {
		return nil, err
	}
	if w.s.config.Dialect == config.Classic {
		w.names = w.s.config.DefaultTemplates
		return w.classic()
	}
	names, err := w.s.selectTemplates(w.original.Annotations)
	if err != nil {
		return nil, err
	}
	w.names = names
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

// own returns a copy whose lists of containers, labels and annotations may be
// written to.
func own(pod *corev1.Pod) *corev1.Pod {
	out := *pod
	post.Own(&out)
	return &out
}
