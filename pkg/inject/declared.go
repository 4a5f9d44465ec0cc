package inject

import (
	"fmt"
	"slices"

	meshconfig "istio.io/api/mesh/v1alpha1"
	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/annotations"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/merge"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/proxy"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/status"
)

// autoImage is written by users who declare a container of the template only to
// set other fields, since a container must have an image.
const autoImage = "auto"

// applyDeclared gives the user the last word on containers that both the user and
// a template declare, and notes the user's version on the pod, so that a later
// injection finds it.
func (r *request) applyDeclared(pod, template, declared *podmodel.Pod) error {
	var used status.Overrides
	var err error
	used.Containers, err = r.applyTo(pod, podmodel.AppContainers, template.Spec.Containers, func(name string) *podmodel.Container {
		return r.declaredContainer(name, r.saved.Containers, r.earlier.Containers,
			find(declared, podmodel.AppContainers, name))
	})
	if err != nil {
		return err
	}
	used.InitContainers, err = r.applyTo(pod, podmodel.InitContainers, template.Spec.InitContainers, func(name string) *podmodel.Container {
		return r.declaredContainer(name, r.saved.InitContainers, r.earlier.InitContainers,
			find(declared, podmodel.AppContainers, name), find(declared, podmodel.InitContainers, name))
	})
	if err != nil {
		return err
	}
	r.save(pod, used)
	user := findSaved(used.InitContainers, proxy.Name)
	if user == nil {
		user = findSaved(used.Containers, proxy.Name)
	}
	if user != nil {
		proxy.PropagateUser(pod.Pod, &user.Container, r.tproxy(pod))
	}
	return nil
}

// applyTo merges the user's version on top of each container that the template has
// in a list, and returns the versions used.
func (r *request) applyTo(pod *podmodel.Pod, list podmodel.Containers, template []corev1.Container, declared func(name string) *podmodel.Container) ([]podmodel.Container, error) {
	var used []podmodel.Container
	unknown := pod.ContainersUnknown(list)
	for i := range template {
		name := template[i].Name
		user, at := declared(name), proxy.FindContainer(containers(pod, list), name)
		if user == nil || at == nil {
			continue
		}
		own := *user
		if own.Image == autoImage {
			own.Image = ""
		}
		used = append(used, own)
		r.note("container "+name, "declared by the user too: what the user sets goes before the template")
		if r.reinvoked {
			proxy.DropRedirected(at, &own.Container)
		}
		merged, err := merge.Container(r.ctx, podmodel.Container{Container: *at, Unknown: unknown.Below(name)}, own)
		if err := r.enter(stepMerge); err != nil {
			return nil, err
		}
		if err != nil {
			return nil, refuse(decide.MergeError, fmt.Errorf("container %q as declared by the user: %w", name, err))
		}
		*at = merged.Container
		unknown = unknown.WithBelow(name, merged.Unknown)
	}
	pod.SetContainersUnknown(list, unknown)
	return used, nil
}

// declaredContainer returns the user's version of a container: the one that was
// saved, or the first one in the pod unless it is there from an earlier injection
// only.
func (r *request) declaredContainer(name string, saved []podmodel.Container, injected []string, inPod ...*podmodel.Container) *podmodel.Container {
	if c := findSaved(saved, name); c != nil {
		return c
	}
	if slices.Contains(injected, name) {
		return nil
	}
	for _, c := range inPod {
		if c != nil {
			return c
		}
	}
	return nil
}

// save notes the versions used, beside those noted before. A container that is
// there from an earlier injection only, which may have put it into the other
// list, is not the user's.
func (r *request) save(pod *podmodel.Pod, used status.Overrides) {
	injected := append(slices.Clone(r.earlier.Containers), r.earlier.InitContainers...)
	more := func(saved, used []podmodel.Container) []podmodel.Container {
		saved = slices.Clip(saved)
		for _, c := range used {
			if findSaved(saved, c.Name) == nil && !slices.Contains(injected, c.Name) {
				saved = append(saved, c)
			}
		}
		return saved
	}
	all := status.Overrides{
		Containers:     more(r.saved.Containers, used.Containers),
		InitContainers: more(r.saved.InitContainers, used.InitContainers),
	}
	if len(all.Containers) != len(r.saved.Containers) || len(all.InitContainers) != len(r.saved.InitContainers) {
		pod.Annotations[status.OverridesKey] = all.String()
	}
}

// tproxy reports whether traffic is redirected by TPROXY.
func (r *request) tproxy(pod *podmodel.Pod) bool {
	return r.proxyConfig.GetInterceptionMode() == meshconfig.ProxyConfig_TPROXY ||
		pod.Annotations[annotations.InterceptionMode] == "TPROXY"
}

// containers returns one of the pod's two lists.
func containers(pod *podmodel.Pod, list podmodel.Containers) []corev1.Container {
	if list == podmodel.InitContainers {
		return pod.Spec.InitContainers
	}
	return pod.Spec.Containers
}

// find returns a copy of the first container of a name with its unknown fields, or
// nil.
func find(pod *podmodel.Pod, list podmodel.Containers, name string) *podmodel.Container {
	c := proxy.FindContainer(containers(pod, list), name)
	if c == nil {
		return nil
	}
	return &podmodel.Container{Container: *c, Unknown: pod.ContainersUnknown(list).Below(name)}
}

func findSaved(list []podmodel.Container, name string) *podmodel.Container {
	i := slices.IndexFunc(list, func(c podmodel.Container) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return &list[i]
}
