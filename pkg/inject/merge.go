package inject

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/proxy"
)

// merge merges the overlays onto a copy of the pod, and onto an empty one, which
// becomes what the templates alone make. Only the structs and lists of containers
// of the results may be written to, see [proxy.CopyForWrite].
func (r *request) merge(declared *podmodel.Pod, overlays []rendered) (pod, template *podmodel.Pod, err error) {
	if err := r.enter(stepMerge); err != nil {
		return nil, nil, err
	}
	pod, template = declared.Copy(), newPod()
	native := proxy.Native(pod.Annotations, r.nativeSidecars(declared))
	emptied := "" // the template that has left the pod without containers
	for _, o := range overlays {
		if err := r.enter(stepMerge); err != nil {
			return nil, nil, err
		}
		if err := o.apply(template); err != nil {
			return nil, nil, err
		}
		if native && proxy.FindContainer(template.Spec.InitContainers, proxy.Name) != nil {
			proxy.MoveToInit(pod)
		}
		had := len(pod.Spec.Containers)
		if err := o.apply(pod); err != nil {
			return nil, nil, err
		}
		switch has := len(pod.Spec.Containers); {
		case has > 0:
			emptied = ""
		case had > 0:
			emptied = o.template
		}
	}
	if emptied != "" {
		return nil, nil, refuse(decide.MergeError, fmt.Errorf("template %q removes every container of the pod: where it renders spec.containers without an item, or with $patch: delete, leave the field out", emptied))
	}
	r.warnRemovedContainers(&declared.Spec, &pod.Spec)
	return copyForWrite(pod), template, nil
}

func newPod() *podmodel.Pod { return &podmodel.Pod{Pod: new(corev1.Pod)} }

// apply merges what a template has rendered onto a pod.
func (o rendered) apply(pod *podmodel.Pod) error {
	if err := o.overlay.Apply(pod); err != nil {
		if o.explain != nil {
			return refuse(decide.MergeError, o.explain(err))
		}
		return refuse(decide.MergeError, fmt.Errorf("template %q: %w", o.template, err))
	}
	return nil
}

// warnRemovedContainers warns of containers that the pod came with and the
// templates have removed. A template may do so on purpose, by $patch: delete; more
// often it renders a list without an item, which YAML reads as null, and null
// removes the whole list.
func (r *request) warnRemovedContainers(before, after *corev1.PodSpec) {
	left := make(map[string]bool, len(after.InitContainers)+len(after.Containers))
	for _, list := range [][]corev1.Container{after.InitContainers, after.Containers} {
		for i := range list {
			left[list[i].Name] = true
		}
	}
	var names []string
	for _, list := range [][]corev1.Container{before.InitContainers, before.Containers} {
		for i := range list {
			if name := list[i].Name; !left[name] {
				names = append(names, name)
			}
		}
	}
	if names == nil {
		return
	}
	removed := strings.Join(names, ", ")
	r.note("removed by the templates", removed)
	r.warnings = append(r.warnings, fmt.Sprintf("template %s removes containers of the pod: %s", strings.Join(r.templates, ", "), removed))
}
