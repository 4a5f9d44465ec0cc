package post

import (
	corev1 "k8s.io/api/core/v1"
)

// RestoreProbes undoes RewriteProbes with the records that the proxy has: every
// recorded probe and hook that still goes to the agent gets its action back.
// Ports that had a name come back as numbers.
func RestoreProbes(spec *corev1.PodSpec, proxy *corev1.Container) {
	if proxy == nil {
		return
	}
	e := lookupEnv(proxy, ProbersEnv)
	if e == nil {
		return
	}
	records, err := readProbers(e.Value)
	if err != nil {
		return
	}
	for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			restoreContainer(&list[i], records)
		}
	}
}

func restoreContainer(c *corev1.Container, records map[string]*Prober) {
	restoreProbe(&c.ReadinessProbe, healthPath(c.Name, "readyz"), records)
	restoreProbe(&c.LivenessProbe, healthPath(c.Name, "livez"), records)
	restoreProbe(&c.StartupProbe, healthPath(c.Name, "startupz"), records)
	if c.Lifecycle == nil {
		return
	}
	hooks := *c.Lifecycle
	restoreHook(&hooks.PreStop, lifecyclePath(c.Name, "prestopz"), records)
	restoreHook(&hooks.PostStart, lifecyclePath(c.Name, "poststartz"), records)
	if hooks != *c.Lifecycle {
		c.Lifecycle = &hooks
	}
}

func restoreProbe(at **corev1.Probe, path string, records map[string]*Prober) {
	was := records[path]
	if was == nil || *at == nil || !Rewritten((*at).HTTPGet, path) {
		return
	}
	p := **at
	p.HTTPGet, p.TCPSocket, p.GRPC = was.HTTPGet, was.TCPSocket, was.GRPC
	*at = &p
}

func restoreHook(at **corev1.LifecycleHandler, path string, records map[string]*Prober) {
	was := records[path]
	if was == nil || *at == nil || !Rewritten((*at).HTTPGet, path) {
		return
	}
	h := **at
	h.HTTPGet, h.TCPSocket = was.HTTPGet, was.TCPSocket
	*at = &h
}

// Rewritten reports whether an action is what RewriteProbes made of it.
func Rewritten(get *corev1.HTTPGetAction, path string) bool { return get != nil && get.Path == path }

// DropRewritten takes out of a container that is about to be merged on top of
// another the probes and hooks which have been rewritten there: the merge would
// put the action from before beside the one that replaces it.
func DropRewritten(on, from *corev1.Container) {
	probe := func(on *corev1.Probe, from **corev1.Probe, path string) {
		if on != nil && Rewritten(on.HTTPGet, path) {
			*from = nil
		}
	}
	probe(on.ReadinessProbe, &from.ReadinessProbe, healthPath(on.Name, "readyz"))
	probe(on.LivenessProbe, &from.LivenessProbe, healthPath(on.Name, "livez"))
	probe(on.StartupProbe, &from.StartupProbe, healthPath(on.Name, "startupz"))
	if on.Lifecycle == nil || from.Lifecycle == nil {
		return
	}
	hooks := *from.Lifecycle
	hook := func(on *corev1.LifecycleHandler, from **corev1.LifecycleHandler, path string) {
		if on != nil && Rewritten(on.HTTPGet, path) {
			*from = nil
		}
	}
	hook(on.Lifecycle.PreStop, &hooks.PreStop, lifecyclePath(on.Name, "prestopz"))
	hook(on.Lifecycle.PostStart, &hooks.PostStart, lifecyclePath(on.Name, "poststartz"))
	from.Lifecycle = &hooks
}
