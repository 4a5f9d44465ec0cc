package inject

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/classic"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/proxy"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/status"
)

// classic injects one pod in the classic dialect.
func (w *work) classic() (*corev1.Pod, error) {
	pod := proxy.CopyForWrite(classicStripped(w.original))
	f, err := w.fragment(pod)
	if err != nil {
		return nil, err
	}
	f.Append(pod)
	if w.s.tokenGroup() {
		classic.SetTokenGroup(&pod.Spec)
	}
	if f.RewriteAppHTTPProbe {
		classic.RedirectProbes(pod)
	}
	now := status.Of(&corev1.PodSpec{
		InitContainers: f.InitContainers, Containers: f.Containers,
		Volumes: f.Volumes, ImagePullSecrets: f.ImagePullSecrets,
	})
	w.noteStatus(&now)
	now.Version = w.s.config.TemplateHash(config.ClassicTemplate)
	pod.Annotations[status.Key] = now.String()
	for k, v := range w.s.config.InjectedAnnotations {
		pod.Annotations[k] = v
	}
	return pod, nil
}

// tokenGroup reports whether proxies get their certificates by secret discovery,
// and need to read the service account's token for it.
func (s *Snapshot) tokenGroup() bool {
	mesh := s.config.ClassicMesh
	return mesh.EnableSdsTokenMount && mesh.SdsUdsPath != ""
}

// fragment renders the template for a pod that carries no earlier injection. It
// must not be changed.
func (w *work) fragment(pod *corev1.Pod) (*classic.Fragment, error) {
	meta := pod.ObjectMeta
	meta.Namespace = w.namespace
	deployment := w.owner.ObjectMeta
	if w.req.Owner == nil {
		deployment = meta
	}
	mesh := w.s.config.ClassicMesh
	f, err := show(w.s.templates[config.ClassicTemplate], &render.ClassicData{
		DeploymentMeta: &deployment,
		ObjectMeta:     &meta,
		Spec:           &pod.Spec,
		ProxyConfig:    mesh.DefaultConfig,
		MeshConfig:     mesh,
	}, &w.s.fragments, classic.ParseFragment)
	return f, refuseRendering(config.ClassicTemplate, err)
}

// classicStripped returns the pod without an earlier injection: what its status
// names, or else what the first injectors added. The pod given is not changed.
func classicStripped(pod *corev1.Pod) *corev1.Pod {
	before, _ := status.Read(pod.Annotations)
	if before.Empty() {
		before = status.Legacy()
	}
	out := status.WithoutLists(status.WithoutContainers(pod, before, status.Overrides{}), before)
	classic.RestoreProbes(&out.Spec, proxy.FindContainer(pod.Spec.Containers, proxy.Name))
	return out
}
