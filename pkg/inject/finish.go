package inject

import (
	"maps"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/proxy"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/status"
)

// finish does to a merged pod what templates cannot.
func (r *request) finish(pod *podmodel.Pod) error {
	if err := r.enter(stepFinish); err != nil {
		return err
	}
	r.location(r.received.Labels).Apply(pod.Pod, r.reinvoked)
	if err := r.metrics().Apply(pod.Pod); err != nil {
		return refuse(decide.InvalidAnnotation, err)
	}
	proxy.AnnounceSecurePort(pod.Pod)
	proxy.Probes{Rewrite: r.values.rewriteProbe, StatusPort: r.StatusPort()}.Apply(pod.Pod, r.reinvoked)
	return nil
}

// location is where the pod runs, as the request's path, the pod's labels and the
// values say.
func (r *request) location(labels map[string]string) proxy.Location {
	return proxy.NewLocation(r.asked.Path, r.values.cluster, r.values.network, labels)
}

// metrics are the settings for the application's metrics; the mesh merges them
// unless it says otherwise.
func (s *Snapshot) metrics() proxy.Metrics {
	merge := s.config.Mesh.GetEnablePrometheusMerge()
	return proxy.Metrics{Merge: merge == nil || merge.Value, StatusPort: s.StatusPort()}
}

// record notes on the pod what the templates have added.
func (r *request) record(pod, template *podmodel.Pod) {
	added := status.Of(&template.Spec)
	r.noteAdded(&added)
	added.Revision = r.options.Revision
	pod.Annotations[status.Key] = added.String()
	maps.Copy(pod.Annotations, r.config.InjectedAnnotations)
}

// order moves the containers to their places.
func (r *request) order(pod *podmodel.Pod) {
	proxy.Order(pod.Pod, r.values.hold || r.proxyConfig.GetHoldApplicationUntilProxyStarts().GetValue())
	if r.reinvoked {
		proxy.KeepOrder(&r.received.Spec, &pod.Spec)
	}
}
