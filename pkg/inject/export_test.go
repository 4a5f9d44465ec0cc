package inject

import (
	"context"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
)

// InjectDecoded is what Inject does to a pod that is to be injected, so that
// tests can look at the pod that was given.
func (s *Snapshot) InjectDecoded(pod *corev1.Pod, req Request) (*corev1.Pod, error) {
	out, err := s.newRequest(context.Background(), &req, &podmodel.Pod{Pod: pod}).inject()
	if err != nil {
		return nil, err
	}
	return out.Pod, nil
}

// Kept returns the sizes of what the snapshot remembers that texts parse to.
func (s *Snapshot) Kept() (sizes []int) {
	for i := range s.overlays.slots {
		if p := s.overlays.slots[i].Load(); p != nil {
			sizes = append(sizes, p.value.Size())
		}
	}
	for i := range s.fragments.slots {
		if p := s.fragments.slots[i].Load(); p != nil {
			sizes = append(sizes, p.value.Size())
		}
	}
	return sizes
}

// Judge is what Load finds about a snapshot.
func (s *Snapshot) Judge(ctx context.Context) (f Findings) {
	s.judge(ctx, &f)
	return f
}
