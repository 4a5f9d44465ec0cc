package inject

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/annotations"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/proxy"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render"
)

// changesInjection reports whether an annotation changes what is injected: the
// engine reads it, or a template names it.
func (s *Snapshot) changesInjection(name string) bool {
	switch name {
	case templatesKey, proxyConfigKey, proxyImageTypeKey, proxy.NativeSidecarKey, proxy.RewriteProbersKey:
		return true
	}
	return annotations.Checked(name) || s.named[name]
}

// namedByTemplates returns the names of annotations that templates may read: every
// string constant in them. Annotations of Kubernetes itself do not count: they
// describe the pod, and templates set them, too.
func namedByTemplates(templates map[string]*render.Template) map[string]bool {
	named := map[string]bool{}
	for _, t := range templates {
		for text := range t.Strings() {
			named[text] = !ofKubernetes(text)
		}
	}
	return named
}

func ofKubernetes(annotation string) bool {
	domain, _, _ := strings.Cut(annotation, "/")
	for _, own := range []string{"kubernetes.io", "k8s.io"} {
		if domain == own || strings.HasSuffix(domain, "."+own) {
			return true
		}
	}
	return false
}

// withholdAnnotations finds the annotations by which the configuration lets no pod
// change its injection. The first one refuses the pod, unless it says that it has
// been injected before: then what the templates and the configuration set themselves
// is there by right, which checkWithheld finds out.
func (r *request) withholdAnnotations() error {
	if r.config.AllowedAnnotations == nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(r.received.Annotations)) {
		value := r.received.Annotations[name]
		// The list may be long, and few names are asked of it.
		if !r.changesInjection(name) || r.config.AllowedAnnotations.Allows(name) {
			continue
		}
		if own, ok := r.config.InjectedAnnotations[name]; r.reinvoked && ok && own == value {
			continue
		}
		if !r.reinvoked || r.config.Dialect == config.Classic {
			return r.notAllowed(name)
		}
		r.withheld = append(r.withheld, name)
	}
	return nil
}

func (r *request) notAllowed(name string) error {
	return refuse(decide.NotAllowed, fmt.Errorf("annotation %.100s: the injector's configuration does not let pods change their sidecar by it: remove it, or ask whoever runs the injector to add it to allowedAnnotations; allowed are %s", name, r.config.AllowedAnnotations))
}

// withoutWithheld returns the pod without the annotations withheld.
func (r *request) withoutWithheld(pod *podmodel.Pod) *podmodel.Pod {
	if r.withheld == nil {
		return pod
	}
	out := pod.Copy()
	out.Annotations = maps.Clone(pod.Annotations)
	for _, name := range r.withheld {
		delete(out.Annotations, name)
	}
	return out
}

// checkWithheld refuses a pod that has an annotation withheld with another value than
// the templates give it without having seen it.
func (r *request) checkWithheld(merged *podmodel.Pod) error {
	for _, name := range r.withheld {
		if own, ok := merged.Annotations[name]; !ok || own != r.received.Annotations[name] {
			return r.notAllowed(name)
		}
	}
	return nil
}
