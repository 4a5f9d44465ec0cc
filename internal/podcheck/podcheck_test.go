package podcheck

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestAValidPod(t *testing.T) {
	if p := append(Check(valid()), Images(valid())...); len(p) > 0 {
		t.Errorf("got %+v", p)
	}
}

// What kubelets read, as github.com/distribution/reference v0.6.0 says of each of these.
func TestImages(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("a", 64)
	for image, readable := range map[string]bool{
		"a": true, "a/b:c": true, "a:5000/b": true, "a:5000/b:c": true, "A/b": true, "A.b/c": true, "a/B": false, "B": false, "localhost/a": true,
		"a" + digest: true, "a:b" + digest: true, "a@sha256:aa": false, "a@": false, "a:": false, ":a": false, "a//b": false, "/a": false, "a/": false,
		"a__b": true, "a___b": false, "a-b--c": true, "a.-b": false, "a-": false, "_": false, ".": false, "..": false, "-1": false, "1": true,
		"[::1]:5000/a": true, "[::1/a": false, "-a.b/c": false, "<no value>/x": false, "<no value>": false, "auto": true,
		"docker.io/istio/proxyv2:1.27.1": true, "proxy:<no value>": false, "x:" + strings.Repeat("y", 128): true, "x:" + strings.Repeat("y", 129): false,
		strings.Repeat("a", 247): true, strings.Repeat("a", 248): false, "a/" + strings.Repeat("a", 253): true, strings.Repeat("a", 64): false, strings.Repeat("b", 63): true,
		"example.com:x/a": false, "null/proxyv2:null": true, "é/a": false, "a b/c": false, "a=b": false, "$(A)": false, "10.0.0.1": true, "X_Bad": false,
		"": true, " a": true, // these are Check's
	} {
		pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: image}}}}
		if got := Images(pod); (len(got) == 0) != readable {
			t.Errorf("%q: got %+v", image, got)
		}
	}
}

// Only what an injection adds is judged.
func TestAdded(t *testing.T) {
	before := valid()
	before.Spec.Containers[0].Name = "X_Bad"
	after := before.DeepCopy()
	after.Spec.Containers = append([]corev1.Container{{Name: "Y_Bad", Image: "<no value>"}}, after.Spec.Containers...)
	got := append(Added(before, after), AddedImages(before, after)...)
	if len(got) != 2 || got[0].Path != "spec.containers[Y_Bad].name" || got[0].Place != "spec.containers[0].name" || got[0].Value != "Y_Bad" || got[1].Path != "spec.containers[Y_Bad].image" {
		t.Errorf("got %+v", got)
	}
}
