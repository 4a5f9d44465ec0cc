package proxy

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestOrder(t *testing.T) {
	for _, tc := range []struct {
		containers, init         []corev1.Container
		first                    bool
		wantContainers, wantInit string
	}{
		{list("istio-proxy", "a", "b"), list("x", "istio-init", "istio-validation", "y", "enable-core-dump"), false, "a b istio-proxy", "istio-validation x y istio-init enable-core-dump"},
		{list("a", "b", "istio-proxy"), list("enable-core-dump", "x", "istio-init"), true, "istio-proxy a b", "x istio-init enable-core-dump"},
		{list("a"), list("x", "enable-core-dump", "istio-proxy", "istio-validation", "istio-init"), true, "a", "istio-init istio-validation istio-proxy enable-core-dump x"},
		{nil, nil, true, "", ""},
	} {
		pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: tc.containers, InitContainers: tc.init}}
		Order(pod, tc.first)
		if got := joined(pod.Spec.Containers); got != tc.wantContainers {
			t.Errorf("containers %s, want %s", got, tc.wantContainers)
		}
		if got := joined(pod.Spec.InitContainers); got != tc.wantInit {
			t.Errorf("init containers %s, want %s", got, tc.wantInit)
		}
	}
}

func TestKeepOrder(t *testing.T) {
	e := func(names ...string) []corev1.EnvVar {
		var out []corev1.EnvVar
		for _, n := range names {
			out = append(out, corev1.EnvVar{Name: n})
		}
		return out
	}
	spec := func(env []corev1.EnvVar, volumes ...string) *corev1.PodSpec {
		s := &corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Env: env}}}
		for _, v := range volumes {
			s.Volumes = append(s.Volumes, corev1.Volume{Name: v})
		}
		return s
	}
	for _, tc := range []struct{ before, after, want string }{
		{"x y z", "z new y x", "x new y z"},
		{"x y", "x new y", "x new y"},
		{"", "b a", "b a"},
		{"x y", "y x y", "y x y"},
		{"x x y", "y x", "y x"},
		{"gone x y", "y x", "x y"},
	} {
		after := spec(e(strings.Fields(tc.after)...), strings.Fields("b a")...)
		shared := after.Containers[0].Env
		KeepOrder(spec(e(strings.Fields(tc.before)...), "a", "b"), after)
		var got, untouched []string
		for _, v := range after.Containers[0].Env {
			got = append(got, v.Name)
		}
		for _, v := range shared {
			untouched = append(untouched, v.Name)
		}
		if strings.Join(got, " ") != tc.want || after.Volumes[0].Name != "a" || strings.Join(untouched, " ") != tc.after {
			t.Errorf("%s, then %s: got %v, volumes %v, list given %v", tc.before, tc.after, got, after.Volumes, untouched)
		}
	}
	other := spec(e("b", "a"))
	KeepOrder(&corev1.PodSpec{}, other)
	if other.Containers[0].Env[0].Name != "b" {
		t.Error("a container that was not there before")
	}
}
