package post

import (
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
)

// InterceptionModeKey sets how traffic is redirected for one pod.
const InterceptionModeKey = "sidecar.istio.io/interceptionMode"

// ProxyUser carries the user and group that the user's own declaration of the
// proxy asks for over to what depends on them: the traffic rules, which spare
// the proxy's own traffic by its user (never 0, which would spare all of root's),
// and the validation, which plays the proxy. With TPROXY the proxy must stay
// root. declared is the user's container, nil when there is none.
func ProxyUser(pod *corev1.Pod, declared *corev1.Container, tproxy bool) {
	if declared == nil || declared.SecurityContext == nil {
		return
	}
	user, group := declared.SecurityContext.RunAsUser, declared.SecurityContext.RunAsGroup
	if user == nil && group == nil {
		return
	}
	init := Find(pod.Spec.InitContainers, Init)
	if init == nil {
		init = Find(pod.Spec.InitContainers, Validation)
	}
	if init == nil {
		return
	}
	if proxy := FindAnywhere(&pod.Spec, Proxy); tproxy && user != nil && proxy != nil {
		root := int64(0)
		setUser(proxy, &root, nil)
	}
	if !tproxy && init.Name == Validation {
		setUser(init, user, group)
	}
	if user != nil && *user != 0 {
		setArgument(init, "-u", strconv.FormatInt(*user, 10))
	}
}

// setUser sets the user and group that are given, on a security context that
// may be shared.
func setUser(c *corev1.Container, user, group *int64) {
	var sc corev1.SecurityContext
	if c.SecurityContext != nil {
		sc = *c.SecurityContext
	}
	if user != nil {
		sc.RunAsUser = user
	}
	if group != nil {
		sc.RunAsGroup = group
	}
	c.SecurityContext = &sc
}

// setArgument sets the argument that follows a flag, if the flag is there.
func setArgument(c *corev1.Container, flag, value string) {
	i := slices.Index(c.Args, flag)
	if i < 0 || i+1 >= len(c.Args) {
		return
	}
	c.Args = slices.Clone(c.Args)
	c.Args[i+1] = value
}
