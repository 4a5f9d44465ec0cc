package post

import (
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// The annotations of an OpenShift namespace that say which users and groups its
// pods may run as: start/size or start-end.
const (
	UIDRangeKey           = "openshift.io/sa.scc.uid-range"
	SupplementalGroupsKey = "openshift.io/sa.scc.supplemental-groups"
)

// DefaultProxyID is the user and group that the proxy runs as.
const DefaultProxyID int64 = 1337

// ProxyIDs returns the user and group for the proxy on OpenShift: the last of
// the namespace's ranges, which applications do not use. A namespace that says
// nothing, or nothing readable, leaves the default.
func ProxyIDs(annotations map[string]string) (uid, gid int64) {
	uid, gid = DefaultProxyID, DefaultProxyID
	users := annotations[UIDRangeKey]
	if last, err := lastOf(users); err == nil {
		uid = last
	}
	groups, ok := annotations[SupplementalGroupsKey]
	if !ok {
		groups = users
	}
	first, _, _ := strings.Cut(groups, ",")
	if last, err := lastOf(first); err == nil {
		gid = last
	}
	return uid, gid
}

func lastOf(block string) (int64, error) {
	if start, size, ok := strings.Cut(block, "/"); ok {
		a, n, err := numbers(start, size)
		if err != nil || n == 0 {
			return 0, fmt.Errorf("%q is not start/size", block)
		}
		return a + n - 1, nil
	}
	start, end, _ := strings.Cut(block, "-")
	a, b, err := numbers(start, end)
	if err != nil || b < a {
		return 0, fmt.Errorf("%q is not start-end", block)
	}
	return b, nil
}

func numbers(a, b string) (int64, int64, error) {
	x, err := strconv.ParseUint(strings.TrimSpace(a), 10, 32)
	if err != nil {
		return 0, 0, err
	}
	y, err := strconv.ParseUint(strings.TrimSpace(b), 10, 32)
	return int64(x), int64(y), err
}

// ForgetAssignedUser removes user and group from the proxy that the user
// declared when an application container has the same user. OpenShift assigns
// one user to all containers that name none, so it is not the pod author's
// wish; and with it the application's traffic would pass for the proxy's own.
func ForgetAssignedUser(pod *corev1.Pod) {
	proxy := FindAnywhere(&pod.Spec, Proxy)
	if proxy == nil || proxy.SecurityContext == nil || proxy.SecurityContext.RunAsUser == nil {
		return
	}
	if !applicationRunsAs(&pod.Spec, *proxy.SecurityContext.RunAsUser) {
		return
	}
	sc := *proxy.SecurityContext
	sc.RunAsUser, sc.RunAsGroup = nil, nil
	proxy.SecurityContext = &sc
}

func applicationRunsAs(spec *corev1.PodSpec, user int64) bool {
	for _, list := range [][]corev1.Container{spec.Containers, spec.InitContainers} {
		for i := range list {
			switch list[i].Name {
			case Proxy, Init, Validation:
				continue
			}
			sc := list[i].SecurityContext
			if sc != nil && sc.RunAsUser != nil && *sc.RunAsUser == user {
				return true
			}
		}
	}
	return false
}
