package inject

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/patch"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
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
func (s *Snapshot) Uninject(ctx context.Context, object []byte) ([]byte, error) {
	return s.UninjectFor(ctx, Request{Object: object})
}

// UninjectFor is Uninject for a pod about which more is known: namespace, owner
// and path of the request should be those that it was injected with, since they
// show in what templates have given it.
func (s *Snapshot) UninjectFor(ctx context.Context, asked Request) (_ []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = panicked(r)
		}
	}()
	r, err := s.receive(ctx, &asked)
	if err == nil {
		err = r.decode()
	}
	if err != nil {
		return nil, err
	}
	all := r.received.Annotations
	if r.earlier, r.reinvoked = status.Read(all); !r.reinvoked {
		return nil, nil
	}
	run := r.uninjectCurrent
	if s.config.Dialect == config.Classic {
		run = r.uninjectClassic
	} else if r.earlier.Empty() {
		return nil, fmt.Errorf("annotation %s: not readable, so it cannot be told what was injected: %.80q", status.Key, all[status.Key])
	}
	pod, err := run()
	if err != nil {
		return nil, err
	}
	return patch.Diff(ctx, r.received, pod)
}

// uninjectCurrent returns the pod without its injection.
func (r *request) uninjectCurrent() (*podmodel.Pod, error) {
	var err error
	if r.saved, err = status.ReadOverrides(r.ctx, r.received.Annotations, status.Most{Containers: maxOverrides, Values: maxOverrideValues}); err != nil {
		return nil, err
	}
	pod := copyForWrite(status.WithoutLists(r.received, r.earlier))
	// The records are on the proxy, so they are read before it is removed.
	proxy.RevertProbes(pod.Pod)
	proxy.RevertSecurePort(pod.Pod)
	r.metrics().Revert(pod.Pod)
	r.location(nil).Revert(pod.Pod)
	pod = copyForWrite(status.WithoutContainers(pod, r.earlier, asDeclared(r.saved)))
	delete(pod.Annotations, status.OverridesKey)
	if slices.Contains(r.earlier.InitContainers, proxy.Name) || slices.Contains(r.earlier.Containers, proxy.Name) {
		proxy.MoveBack(pod)
	}
	r.removeInjectedAnnotations(pod)
	if err := r.removeRendered(pod); err != nil {
		return nil, err
	}
	return pod, nil
}

// asDeclared gives containers that came without an image the one that users
// write there.
func asDeclared(saved status.Overrides) status.Overrides {
	named := func(list []podmodel.Container) []podmodel.Container {
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
func (r *request) removeInjectedAnnotations(pod *podmodel.Pod) {
	for k, v := range r.config.InjectedAnnotations {
		if pod.Annotations[k] == v {
			delete(pod.Annotations, k)
		}
	}
}

// removeRendered removes the labels, annotations and fields of the spec that
// templates give to this pod. One counts as theirs when it comes back by itself,
// with the same value, after it has been removed; or, where a template appends
// to what the user has written, after the last item has been removed.
func (r *request) removeRendered(pod *podmodel.Pod) error {
	for _, entries := range []func(*podmodel.Pod) *map[string]string{labelsOf, annotationsOf} {
		for _, key := range slices.Sorted(maps.Keys(*entries(pod))) {
			r.removeRenderedEntry(pod, entries, key)
		}
	}
	template, err := r.templatePod(pod)
	if err != nil {
		return err
	}
	removeTemplateFields(pod, template)
	return nil
}

func labelsOf(p *podmodel.Pod) *map[string]string      { return &p.Labels }
func annotationsOf(p *podmodel.Pod) *map[string]string { return &p.Annotations }

// removeRenderedEntry removes a label or annotation, or what a template has
// appended to it.
func (r *request) removeRenderedEntry(pod *podmodel.Pod, entries func(*podmodel.Pod) *map[string]string, key string) {
	// Without this one another set of templates would be rendered.
	if key == templatesKey {
		return
	}
	value := (*entries(pod))[key]
	without := pod.Copy()
	changed := maps.Clone(*entries(pod))
	*entries(without) = changed
	for _, original := range possibleOriginals(value) {
		if original == nil {
			delete(changed, key)
		} else {
			changed[key] = *original
		}
		template, err := r.templatePod(without)
		if err != nil {
			// What a template cannot do without is not of its making.
			continue
		}
		if again, ok := (*entries(template))[key]; ok && again == value {
			*entries(pod) = changed
			return
		}
	}
}

// templatePod returns what the templates alone make of a pod that carries no
// injection.
func (r *request) templatePod(pod *podmodel.Pod) (*podmodel.Pod, error) {
	other := &request{Snapshot: r.Snapshot, budget: r.budget, asked: r.asked, received: pod, namespace: r.namespace, owner: r.owner}
	var err error
	if other.templates, err = r.selectTemplates(pod.Annotations); err != nil {
		return nil, err
	}
	if other.proxyConfig, err = r.proxyConfigOf(pod.Annotations); err != nil {
		return nil, refuse(decide.InvalidAnnotation, err)
	}
	overlays, err := other.render(pod)
	if err != nil {
		return nil, err
	}
	template := newPod()
	for _, o := range overlays {
		if err := o.apply(template); err != nil {
			return nil, err
		}
	}
	return template, nil
}

// removeTemplateFields removes from a pod the fields of the spec, and the unknown
// fields, that a template sets, where they still have the template's value. Lists
// whose items the status annotation names stay as they are.
func removeTemplateFields(pod, template *podmodel.Pod) {
	s, t := reflect.ValueOf(&pod.Spec).Elem(), reflect.ValueOf(&template.Spec).Elem()
	for i := range t.NumField() {
		switch t.Type().Field(i).Name {
		case "Containers", "InitContainers", "Volumes", "ImagePullSecrets", "EphemeralContainers":
			continue
		}
		if !t.Field(i).IsZero() && equality.Semantic.DeepEqual(s.Field(i).Interface(), t.Field(i).Interface()) {
			s.Field(i).SetZero()
		}
	}
	added := template.Unknown.Below("spec")
	for _, list := range []string{"containers", "initContainers", "volumes", "imagePullSecrets", "ephemeralContainers"} {
		added = added.WithBelow(list, nil)
	}
	pod.Unknown = pod.Unknown.Without(template.Unknown.WithBelow("spec", added))
}

// possibleOriginals returns what the value of a label or annotation may have been
// before a template set it or appended to it: nothing (nil), the comma separated
// list without its last item, or the JSON array without its last object.
func possibleOriginals(value string) []*string {
	out := []*string{nil}
	add := func(s string) { out = append(out, &s) }
	if i := strings.LastIndexByte(value, ']'); i >= 0 {
		if j := strings.LastIndex(value[:i], ", {"); j >= 0 {
			add(value[:j] + value[i:])
		}
		return out
	}
	if i := strings.LastIndexByte(value, ','); i >= 0 {
		add(strings.TrimRight(value[:i], " "))
	}
	return out
}
