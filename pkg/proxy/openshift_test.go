package proxy

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestOpenShiftIDs(t *testing.T) {
	for name, tc := range map[string]struct {
		annotations map[string]string
		uid, gid    int64
	}{
		"nothing":     {nil, 1337, 1337},
		"both":        {map[string]string{UIDRangeKey: "1000620000/10000", SupplementalGroupsKey: "2000/10,9/9"}, 1000629999, 2009},
		"from to":     {map[string]string{UIDRangeKey: "10-20", SupplementalGroupsKey: "30-40"}, 20, 40},
		"users only":  {map[string]string{UIDRangeKey: "10/5"}, 14, 14},
		"odd":         {map[string]string{UIDRangeKey: "a/b", SupplementalGroupsKey: ""}, 1337, 1337},
		"empty block": {map[string]string{UIDRangeKey: "5/0", SupplementalGroupsKey: "9-3"}, 1337, 1337},
	} {
		if uid, gid := OpenShiftIDs(tc.annotations); uid != tc.uid || gid != tc.gid {
			t.Errorf("%s: %d and %d", name, uid, gid)
		}
	}
}

func TestDropAssignedUser(t *testing.T) {
	build := func(app, proxy *int64) *corev1.Pod {
		pod := newPod(nil)
		pod.Spec.Containers = append(list("first"), pod.Spec.Containers...)
		if app != nil {
			pod.Spec.Containers[1].SecurityContext = &corev1.SecurityContext{RunAsUser: app}
		}
		pod.Spec.Containers[2].SecurityContext = &corev1.SecurityContext{RunAsUser: proxy, RunAsGroup: i64(7)}
		pod.Spec.InitContainers = []corev1.Container{{Name: InitName, SecurityContext: &corev1.SecurityContext{RunAsUser: i64(42)}}}
		return pod
	}
	for name, tc := range map[string]struct {
		app, proxy *int64
		dropped    bool
	}{
		"same":          {i64(5), i64(5), true},
		"another":       {i64(5), i64(6), false},
		"not given":     {i64(5), nil, false},
		"of istio-init": {nil, i64(42), false},
	} {
		pod := build(tc.app, tc.proxy)
		shared := pod.Spec.Containers[2].SecurityContext
		DropAssignedUser(pod)
		sc := pod.Spec.Containers[2].SecurityContext
		if (sc.RunAsGroup == nil) != tc.dropped || tc.dropped && sc.RunAsUser != nil {
			t.Errorf("%s: %+v", name, sc)
		}
		if shared.RunAsGroup == nil {
			t.Errorf("%s: the shared security context has been changed", name)
		}
	}
}
