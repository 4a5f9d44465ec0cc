package inject

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/post"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/status"
)

// classic takes out an injection of the classic dialect. Whatever the
// template sets besides its lists is removed where it still stands.
func (s *undo) classic(pod *corev1.Pod, _ status.Status) (*corev1.Pod, error) {
	out := own(classicStripped(pod))
	for k, v := range s.config.InjectedAnnotations {
		if out.Annotations[k] == v {
			delete(out.Annotations, k)
		}
	}
	w := &work{s: s.Snapshot, req: s.req, original: out, namespace: s.namespace, owner: s.owner}
	f, err := w.fragment(out)
	if err != nil {
		return nil, err
	}
	spec := &out.Spec
	if f.DNSConfig != nil && equality.Semantic.DeepEqual(f.DNSConfig, spec.DNSConfig) {
		spec.DNSConfig = nil
	}
	if s.tokenGroup() {
		post.UnsetTokenGroup(spec)
	}
	if f.SecurityContext != nil && equality.Semantic.DeepEqual(f.SecurityContext, spec.SecurityContext) {
		spec.SecurityContext = nil
	}
	return out, nil
}
