package post

import (
	corev1 "k8s.io/api/core/v1"
)

// Order puts the containers in their places. proxyFirst says that the
// application waits for the proxy, whose container must therefore start first;
// otherwise it goes last, so that commands which take the first container by
// default find the application's.
//
// With the proxy among the init containers (a native sidecar), traffic is set
// up before any of them runs. Without, it is set up after all others, since
// they could not reach anything through a proxy that has not started yet; only
// the validation runs first, to stop a pod whose traffic would bypass it.
func Order(pod *corev1.Pod, proxyFirst bool) {
	if proxyFirst {
		front(pod.Spec.Containers, Proxy)
	} else {
		back(pod.Spec.Containers, Proxy)
	}
	init := pod.Spec.InitContainers
	if Find(init, Proxy) == nil {
		front(init, Validation)
		back(init, Init)
		back(init, EnableCoreDump)
		return
	}
	for _, name := range []string{EnableCoreDump, Proxy, Validation, Init} {
		front(init, name)
	}
}

// front moves a container to the front of a list, in place.
func front(list []corev1.Container, name string) {
	for i := range list {
		if list[i].Name == name {
			c := list[i]
			copy(list[1:i+1], list[:i])
			list[0] = c
			return
		}
	}
}

// back moves a container to the end of a list, in place.
func back(list []corev1.Container, name string) {
	for i := range list {
		if list[i].Name == name {
			c := list[i]
			copy(list[i:], list[i+1:])
			list[len(list)-1] = c
			return
		}
	}
}
