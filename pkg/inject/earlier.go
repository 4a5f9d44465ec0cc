package inject

import (
	"maps"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/proxy"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/status"
)

// declaredPod returns the pod as the user declared it, as far as the platform has
// not written to it. It may carry an earlier injection.
func (r *request) declaredPod() *podmodel.Pod {
	pod := r.withoutWithheld(r.received)
	if r.options.Platform != PlatformOpenShift {
		return pod
	}
	declared := copyForWrite(pod)
	proxy.DropAssignedUser(declared.Pod)
	return declared
}

// copyForWrite returns a copy that the functions of package proxy may write to.
func copyForWrite(pod *podmodel.Pod) *podmodel.Pod {
	out := *pod
	out.Pod = proxy.CopyForWrite(pod.Pod)
	return &out
}

// withoutEarlier returns the pod without an earlier injection, as far as templates
// see it. Volumes and image pull secrets go, too: a template that adds one only
// where the pod has none would leave it out the second time, and with it what depends
// on it. The pod given is not changed.
func (r *request) withoutEarlier(pod *podmodel.Pod) *podmodel.Pod {
	if !r.reinvoked && r.saved.Empty() {
		return pod
	}
	out := status.WithoutLists(status.WithoutContainers(pod, r.earlier, r.saved), r.earlier)
	if r.reinvoked && r.metrics().PointsAtAgent(out.Annotations) {
		out.Annotations = maps.Clone(out.Annotations)
		proxy.ClearScrape(out.Annotations)
	}
	return out
}
