package proxy

import (
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestPropagateUser(t *testing.T) {
	build := func(init string) *corev1.Pod {
		pod := newPod(nil)
		pod.Spec.InitContainers = []corev1.Container{{Name: init, Args: []string{"-p", "1", "-u", "1337"}}}
		pod.Spec.Containers[1].SecurityContext = &corev1.SecurityContext{RunAsUser: i64(5)}
		return pod
	}
	user := func(u, g *int64) *corev1.Container {
		return &corev1.Container{Name: Name, SecurityContext: &corev1.SecurityContext{RunAsUser: u, RunAsGroup: g}}
	}
	for name, tc := range map[string]struct {
		init                           string
		declared                       *corev1.Container
		tproxy                         bool
		arg                            string
		initUser, initGroup, proxyUser *int64
	}{
		"none":                   {InitName, nil, false, "1337", nil, nil, i64(5)},
		"no security context":    {InitName, &corev1.Container{}, false, "1337", nil, nil, i64(5)},
		"neither user nor group": {InitName, user(nil, nil), false, "1337", nil, nil, i64(5)},
		"init":                   {InitName, user(i64(9), i64(8)), false, "9", nil, nil, i64(5)},
		"root":                   {InitName, user(i64(0), nil), false, "1337", nil, nil, i64(5)},
		"validation":             {ValidationName, user(i64(9), i64(8)), false, "9", i64(9), i64(8), i64(5)},
		"validation, group":      {ValidationName, user(nil, i64(8)), false, "1337", nil, i64(8), i64(5)},
		"tproxy":                 {ValidationName, user(i64(9), i64(8)), true, "9", nil, nil, i64(0)},
		"another init":           {"other", user(i64(9), nil), false, "1337", nil, nil, i64(5)},
	} {
		t.Run(name, func(t *testing.T) {
			pod := build(tc.init)
			PropagateUser(pod, tc.declared, tc.tproxy)
			c := pod.Spec.InitContainers[0]
			sc := c.SecurityContext
			if sc == nil {
				sc = &corev1.SecurityContext{}
			}
			if c.Args[3] != tc.arg || !reflect.DeepEqual(sc.RunAsUser, tc.initUser) || !reflect.DeepEqual(sc.RunAsGroup, tc.initGroup) {
				t.Errorf("args %v, security context %+v", c.Args, sc)
			}
			if got := pod.Spec.Containers[1].SecurityContext.RunAsUser; *got != *tc.proxyUser {
				t.Errorf("the proxy runs as %d", *got)
			}
		})
	}
	last := &corev1.Container{Args: []string{"-u"}}
	setArgument(last, "-u", "1")
	if len(last.Args) != 1 {
		t.Errorf("a flag without a value: %v", last.Args)
	}
}
