package proxy

import (
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// The annotations of an OpenShift namespace with the users and groups that its
// pods may run as: start/size or start-end, groups as a comma separated list of
// those.
const (
	UIDRangeKey           = "openshift.io/sa.scc.uid-range"
	SupplementalGroupsKey = "openshift.io/sa.scc.supplemental-groups"
)

// OpenShiftIDs returns the user and the group for the proxy in a namespace with
// these annotations: the last of its ranges, which applications do not use. Where
// an annotation is missing or not readable, the ID is DefaultID; groups default to
// the range of users.
func OpenShiftIDs(namespace map[string]string) (uid, gid int64) {
	uid, gid = DefaultID, DefaultID
	users := namespace[UIDRangeKey]
	if last, err := lastOf(users); err == nil {
		uid = last
	}
	groups, ok := namespace[SupplementalGroupsKey]
	if !ok {
		groups = users
	}
	first, _, _ := strings.Cut(groups, ",")
	if last, err := lastOf(first); err == nil {
		gid = last
	}
	return uid, gid
}

// lastOf returns the last ID of a range.
func lastOf(ids string) (int64, error) {
	if start, size, ok := strings.Cut(ids, "/"); ok {
		a, n, err := numbers(start, size)
		if err != nil || n == 0 {
			return 0, fmt.Errorf("%q is not start/size", ids)
		}
		return a + n - 1, nil
	}
	start, end, _ := strings.Cut(ids, "-")
	a, b, err := numbers(start, end)
	if err != nil || b < a {
		return 0, fmt.Errorf("%q is not start-end", ids)
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

// DropAssignedUser removes user and group from a proxy that the user declared
// when an application's container runs as the same user. OpenShift assigns one
// user to all containers that name none, so nobody asked for it; and the traffic
// rules, which exempt the proxy's user, would exempt the application.
func DropAssignedUser(pod *corev1.Pod) {
	c := Find(&pod.Spec)
	if c == nil || c.SecurityContext == nil || c.SecurityContext.RunAsUser == nil {
		return
	}
	if !applicationRunsAs(&pod.Spec, *c.SecurityContext.RunAsUser) {
		return
	}
	sc := *c.SecurityContext
	sc.RunAsUser, sc.RunAsGroup = nil, nil
	c.SecurityContext = &sc
}

func applicationRunsAs(spec *corev1.PodSpec, user int64) bool {
	for _, list := range [][]corev1.Container{spec.Containers, spec.InitContainers} {
		for i := range list {
			switch list[i].Name {
			case Name, InitName, ValidationName:
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
