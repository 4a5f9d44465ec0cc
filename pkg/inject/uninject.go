package inject

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/proxy"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/status"
)

// Uninject returns the RFC 6902 patch that takes an injection out of a pod
// again; nil when the pod carries no sign of one.
//
// What the injection has noted on the pod is put back: containers that the user
// had declared, probes and hooks, scrape annotations. What templates have added
// besides, labels and annotations above all, is found by rendering them again.
// What leaves no trace cannot be told: a user's own value that equals the one a
// template gives is removed with it, a volume or an image pull secret of the same
// name as one of a template too, and so is a scrape port or path beside scrape
// targets, which had no effect; a probe's port comes back as a number, an image that
// the user left to the template comes back as "auto", and a container that was moved
// stays where it is, the proxy at the end.
//
// The workload behind the pod is derived from the pod. Where the caller knows it,
// because the pod stands in a manifest, UninjectFor is the one to call.
func (s *Snapshot) Uninject(object []byte) ([]byte, error) {
	return s.UninjectFor(Request{Object: object})
}

// UninjectFor is Uninject for a pod about which more is known: namespace, owner
// and path of the request should be those that it was injected with, since they
// show in what templates have given it.
func (s *Snapshot) UninjectFor(req Request) (_ []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &PanicError{Value: r}
		}
	}()
	object, err := decode(req.Object)
	if err != nil {
		return nil, err
	}
	pod := object.pod
	before, present := status.Read(pod.Annotations)
	if !present {
		return nil, nil
	}
	if before.Empty() && s.config.Dialect != config.Classic {
		return nil, fmt.Errorf("annotation %s: not readable, so it cannot be told what was injected: %.80q", status.Key, pod.Annotations[status.Key])
	}
	about := s.describe(pod, &req)
	u := &undo{Snapshot: s, req: &req, namespace: about.Namespace, owner: &about.Workload}
	run := u.current
	if s.config.Dialect == config.Classic {
		run = u.classic
	}
	out, err := run(pod, before)
	if err != nil {
		return nil, err
	}
	return object.diff(out)
}

// undo takes one injection out.
type undo struct {
	*Snapshot
	req       *Request
	namespace string
	owner     *Owner
}

func (s *undo) current(pod *corev1.Pod, before status.Status) (*corev1.Pod, error) {
	saved, err := status.ReadOverrides(pod.Annotations)
	if err != nil {
		return nil, err
	}
	out := proxy.CopyForWrite(status.WithoutLists(pod, before))
	// The records are on the proxy, so they are read before it is removed.
	proxy.RevertProbes(out)
	proxy.RevertSecurePort(out)
	s.metrics().Revert(out)
	proxy.NewLocation(s.req.Path, s.values.cluster, s.values.network, nil).Revert(out)
	out = proxy.CopyForWrite(status.WithoutContainers(out, before, asDeclared(saved)))
	delete(out.Annotations, status.OverridesKey)
	if slices.Contains(before.InitContainers, proxy.Name) || slices.Contains(before.Containers, proxy.Name) {
		proxy.MoveBack(&out.Spec)
	}
	s.removeInjectedAnnotations(out)
	if err := s.forgetRendered(out); err != nil {
		return nil, err
	}
	return out, nil
}

// asDeclared gives containers that came without an image the one that users
// write there.
func asDeclared(saved status.Overrides) status.Overrides {
	named := func(list []corev1.Container) []corev1.Container {
		list = slices.Clone(list)
		for i := range list {
			if list[i].Image == "" {
				list[i].Image = autoImage
			}
		}
		return list
	}
	return status.Overrides{Containers: named(saved.Containers), InitContainers: named(saved.InitContainers)}
}

// removeInjectedAnnotations removes the annotations that every injected pod gets.
func (s *undo) removeInjectedAnnotations(pod *corev1.Pod) {
	for k, v := range s.config.InjectedAnnotations {
		if pod.Annotations[k] == v {
			delete(pod.Annotations, k)
		}
	}
}

// forgetRendered removes the labels, annotations and fields of the spec that
// templates give to this pod. One counts as theirs when it comes back by itself,
// with the same value, after it has been removed; or, where a template appends
// to what the user has written, after the last item has been removed.
func (s *undo) forgetRendered(pod *corev1.Pod) error {
	for _, list := range []func(*corev1.Pod) *map[string]string{labelsOf, annotationsOf} {
		for _, key := range slices.Sorted(maps.Keys(*list(pod))) {
			if err := s.forgetKey(pod, list, key); err != nil {
				return err
			}
		}
	}
	template, err := s.templatePod(pod)
	if err != nil {
		return err
	}
	removeTemplateFields(&pod.Spec, &template.Spec)
	return nil
}

func labelsOf(p *corev1.Pod) *map[string]string      { return &p.Labels }
func annotationsOf(p *corev1.Pod) *map[string]string { return &p.Annotations }

func (s *undo) forgetKey(pod *corev1.Pod, list func(*corev1.Pod) *map[string]string, key string) error {
	// Without this one another set of templates would be rendered.
	if key == templatesKey {
		return nil
	}
	value := (*list(pod))[key]
	without := *pod
	m := maps.Clone(*list(pod))
	*list(&without) = m
	for _, less := range possibleOriginals(value) {
		if less == nil {
			delete(m, key)
		} else {
			m[key] = *less
		}
		template, err := s.templatePod(&without)
		if err != nil {
			// What a template cannot do without is not of its making.
			continue
		}
		if again, ok := (*list(template))[key]; ok && again == value {
			*list(pod) = m
			return nil
		}
	}
	return nil
}

// templatePod returns what the templates alone make of a pod.
func (s *undo) templatePod(pod *corev1.Pod) (*corev1.Pod, error) {
	in, err := s.prepared(pod)
	if err != nil {
		return nil, err
	}
	if in.names, err = s.selectTemplates(pod.Annotations); err != nil {
		return nil, err
	}
	err = in.render(pod)
	return in.template, err
}

func (s *undo) prepared(pod *corev1.Pod) (*injection, error) {
	in := &injection{
		work:     &work{s: s.Snapshot, req: s.req, original: pod, namespace: s.namespace, owner: s.owner},
		template: &corev1.Pod{},
	}
	var err error
	in.proxyConfig, err = s.proxyConfig(pod.Annotations)
	return in, refuse(decide.InvalidAnnotation, err)
}
