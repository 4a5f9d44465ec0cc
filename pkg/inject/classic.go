package inject

import (
	"maps"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/classic"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/proxy"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/status"
)

// injectClassic returns the pod injected in the classic dialect.
func (r *request) injectClassic() (*podmodel.Pod, error) {
	pod := copyForWrite(r.withoutEarlierClassic())
	fragment, err := r.renderClassic(pod)
	if err != nil {
		return nil, err
	}
	if err := r.enter(stepFinish); err != nil {
		return nil, err
	}
	fragment.Append(pod.Pod)
	if r.tokenGroup() {
		classic.SetTokenGroup(&pod.Spec)
	}
	if fragment.RewriteAppHTTPProbe {
		classic.RedirectProbes(pod.Pod)
	}
	r.recordClassic(pod, fragment)
	return pod, nil
}

// uninjectClassic returns the pod without an injection of the classic dialect.
// Whatever the template sets besides its lists is removed where it still stands.
func (r *request) uninjectClassic() (*podmodel.Pod, error) {
	pod := copyForWrite(r.withoutEarlierClassic())
	r.removeInjectedAnnotations(pod)
	fragment, err := r.renderClassic(pod)
	if err != nil {
		return nil, err
	}
	if r.tokenGroup() {
		classic.UnsetTokenGroup(&pod.Spec)
	}
	fragment.Revert(pod.Pod)
	return pod, nil
}

// withoutEarlierClassic returns the pod without an earlier injection: what its
// status names, or else what the first injectors added.
func (r *request) withoutEarlierClassic() *podmodel.Pod {
	earlier := r.earlier
	if earlier.Empty() {
		earlier = status.Legacy()
	}
	out := status.WithoutLists(status.WithoutContainers(r.received, earlier, status.Overrides{}), earlier)
	classic.RestoreProbes(&out.Spec, proxy.FindContainer(r.received.Spec.Containers, proxy.Name))
	return out
}

// renderClassic executes the template for a pod without an earlier injection. The
// fragment must not be written to.
func (r *request) renderClassic(pod *podmodel.Pod) (*classic.Fragment, error) {
	if err := r.enter(stepRender); err != nil {
		return nil, err
	}
	meta := pod.ObjectMeta
	meta.Namespace = r.namespace
	deployment := r.owner.ObjectMeta
	if r.asked.Owner == nil {
		deployment = meta
	}
	mesh := r.config.ClassicMesh
	t := r.Snapshot.templates[config.ClassicTemplate]
	data := &render.ClassicData{
		DeploymentMeta: &deployment,
		ObjectMeta:     &meta,
		Spec:           &pod.Spec,
		ProxyConfig:    mesh.DefaultConfig,
		MeshConfig:     mesh,
	}
	fragment, err := execute(r, t, data, &r.fragments, classic.ParseFragment)
	if err != nil {
		return nil, refuseRendering(config.ClassicTemplate, err, r.explainer(t, data))
	}
	return fragment, nil
}

// tokenGroup reports whether proxies get their certificates by secret discovery,
// and need to read the service account's token for it.
func (s *Snapshot) tokenGroup() bool {
	mesh := s.config.ClassicMesh
	return mesh.EnableSdsTokenMount && mesh.SdsUdsPath != ""
}

// recordClassic notes on the pod what the template has added.
func (r *request) recordClassic(pod *podmodel.Pod, f *classic.Fragment) {
	added := status.Of(&corev1.PodSpec{
		InitContainers: f.InitContainers, Containers: f.Containers,
		Volumes: f.Volumes, ImagePullSecrets: f.ImagePullSecrets,
	})
	r.noteAdded(&added)
	added.Version = r.config.TemplateHash(config.ClassicTemplate)
	pod.Annotations[status.Key] = added.String()
	maps.Copy(pod.Annotations, r.config.InjectedAnnotations)
}
