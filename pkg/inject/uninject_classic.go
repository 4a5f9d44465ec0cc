package inject

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/classic"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/proxy"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/status"
)

// classic takes out an injection of the classic dialect. Whatever the
// template sets besides its lists is removed where it still stands.
func (s *undo) classic(pod *corev1.Pod, _ status.Status) (*corev1.Pod, error) {
	out := proxy.CopyForWrite(classicStripped(pod))
	s.removeInjectedAnnotations(out)
	w := &work{s: s.Snapshot, req: s.req, original: out, namespace: s.namespace, owner: s.owner}
	f, err := w.fragment(out)
	if err != nil {
		return nil, err
	}
	if s.tokenGroup() {
		classic.UnsetTokenGroup(&out.Spec)
	}
	f.Revert(out)
	return out, nil
}
