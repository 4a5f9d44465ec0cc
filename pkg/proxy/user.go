package proxy

import (
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
)

// PropagateUser copies the user and the group that the user's declaration of the
// proxy asks for to what depends on them: to istio-init's argument -u, the user
// whose traffic is not redirected (never 0, which would exempt all of root's), and
// to the security context of istio-validation, which runs as the proxy does. With
// tproxy the proxy stays root. declared is the user's container; nil when there is
// none.
func PropagateUser(pod *corev1.Pod, declared *corev1.Container, tproxy bool) {
	if declared == nil || declared.SecurityContext == nil {
		return
	}
	user, group := declared.SecurityContext.RunAsUser, declared.SecurityContext.RunAsGroup
	if user == nil && group == nil {
		return
	}
	init := FindContainer(pod.Spec.InitContainers, InitName)
	if init == nil {
		init = FindContainer(pod.Spec.InitContainers, ValidationName)
	}
	if init == nil {
		return
	}
	if c := Find(&pod.Spec); tproxy && user != nil && c != nil {
		root := int64(0)
		setUser(c, &root, nil)
	}
	if !tproxy && init.Name == ValidationName {
		setUser(init, user, group)
	}
	if user != nil && *user != 0 {
		setArgument(init, "-u", strconv.FormatInt(*user, 10))
	}
}

// setUser sets the user and the group that are not nil, on a copy of the security
// context.
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

// setArgument sets the argument after a flag, if the flag is there.
func setArgument(c *corev1.Container, flag, value string) {
	i := slices.Index(c.Args, flag)
	if i < 0 || i+1 >= len(c.Args) {
		return
	}
	c.Args = slices.Clone(c.Args)
	c.Args[i+1] = value
}
