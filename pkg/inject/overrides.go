package inject

import (
	"fmt"
	"slices"

	meshconfig "istio.io/api/mesh/v1alpha1"
	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/annotations"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/merge"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/proxy"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/status"
)

// autoImage is written by users who declare a container of the template only to
// set other fields, since a container must have an image.
const autoImage = "auto"

// reapply lets the user have the last word on containers that both the user and
// a template declare, and notes the user's version on the pod, so that a later
// injection finds it. declared is the pod as the user wrote it.
func (in *injection) reapply(declared *corev1.Pod) error {
	var used status.Overrides
	var err error
	used.Containers, err = in.reapplyTo(in.pod.Spec.Containers, in.template.Spec.Containers, func(name string) *corev1.Container {
		return in.declared(name, in.overrides.Containers, in.before.Containers, proxy.FindContainer(declared.Spec.Containers, name))
	})
	if err != nil {
		return err
	}
	used.InitContainers, err = in.reapplyTo(in.pod.Spec.InitContainers, in.template.Spec.InitContainers, func(name string) *corev1.Container {
		return in.declared(name, in.overrides.InitContainers, in.before.InitContainers, proxy.FindInPod(&declared.Spec, name))
	})
	if err != nil {
		return err
	}
	in.save(used)
	user := proxy.FindContainer(used.InitContainers, proxy.Name)
	if user == nil {
		user = proxy.FindContainer(used.Containers, proxy.Name)
	}
	proxy.PropagateUser(in.pod, user, in.tproxy())
	return nil
}

// declared returns the user's version of a container: the one that was saved,
// or the one in the pod unless it is there from an earlier injection only.
func (in *injection) declared(name string, saved []corev1.Container, injected []string, inPod *corev1.Container) *corev1.Container {
	if c := proxy.FindContainer(saved, name); c != nil {
		return c
	}
	if slices.Contains(injected, name) {
		return nil
	}
	return inPod
}

// save notes the versions used, beside those noted before. A container that is
// there from an earlier injection only, which may have put it into the other
// list, is not the user's.
func (in *injection) save(used status.Overrides) {
	injected := append(slices.Clone(in.before.Containers), in.before.InitContainers...)
	all := in.overrides
	more := func(saved, used []corev1.Container) []corev1.Container {
		saved = slices.Clip(saved)
		for _, c := range used {
			if proxy.FindContainer(saved, c.Name) == nil && !slices.Contains(injected, c.Name) {
				saved = append(saved, c)
			}
		}
		return saved
	}
	all.Containers = more(all.Containers, used.Containers)
	all.InitContainers = more(all.InitContainers, used.InitContainers)
	if len(all.Containers) != len(in.overrides.Containers) || len(all.InitContainers) != len(in.overrides.InitContainers) {
		in.pod.Annotations[status.OverridesKey] = all.String()
	}
}

// reapplyTo merges the user's version on top of each container that the template
// has, and returns the versions used.
func (in *injection) reapplyTo(list, template []corev1.Container, find func(name string) *corev1.Container) ([]corev1.Container, error) {
	var used []corev1.Container
	for i := range template {
		user := find(template[i].Name)
		at := proxy.FindContainer(list, template[i].Name)
		if user == nil || at == nil {
			continue
		}
		overlay := *user
		if overlay.Image == autoImage {
			overlay.Image = ""
		}
		used = append(used, overlay)
		in.note("container "+overlay.Name, "declared by the user too: what the user sets goes before the template")
		if in.again {
			proxy.DropRedirected(at, &overlay)
		}
		merged, err := merge.Container(at, &overlay)
		if err != nil {
			return nil, fmt.Errorf("container %q as declared by the user: %w", overlay.Name, err)
		}
		*at = *merged
	}
	return used, nil
}

// tproxy reports whether traffic is redirected by TPROXY.
func (in *injection) tproxy() bool {
	return in.proxyConfig.GetInterceptionMode() == meshconfig.ProxyConfig_TPROXY ||
		in.pod.Annotations[annotations.InterceptionMode] == "TPROXY"
}
