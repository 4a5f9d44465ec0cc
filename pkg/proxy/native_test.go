package proxy

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
)

func TestNative(t *testing.T) {
	for value, want := range map[string][2]bool{"": {false, true}, "true": {true, true}, "false": {false, false}, "odd": {false, true}} {
		for i, setting := range []bool{false, true} {
			if got := Native(map[string]string{NativeSidecarKey: value}, setting); got != want[i] {
				t.Errorf("%q with %v: %v", value, setting, got)
			}
		}
	}
}

func TestMoveToInitAndBack(t *testing.T) {
	pod := &podmodel.Pod{Pod: &corev1.Pod{Spec: corev1.PodSpec{Containers: list("a", Name, "b"), InitContainers: list("x")}}}
	unknown := (*podmodel.Fields)(nil).Clone()
	unknown.Set("newField", []byte("1"))
	pod.SetContainersUnknown(podmodel.AppContainers, pod.Unknown.WithBelow(Name, unknown))
	spec := &pod.Spec
	shared := spec.Containers
	MoveToInit(pod)
	if joined(spec.Containers) != "a b" || joined(spec.InitContainers) != "x istio-proxy" || joined(shared) != "a istio-proxy b" {
		t.Errorf("moved: %s; %s; shared %s", joined(spec.Containers), joined(spec.InitContainers), joined(shared))
	}
	if got := pod.Unknown.Paths(); len(got) != 1 || got[0] != "spec.initContainers[istio-proxy].newField" {
		t.Errorf("unknown fields moved to %v", got)
	}
	MoveToInit(pod)
	MoveBack(pod)
	if joined(spec.Containers) != "a b istio-proxy" || joined(spec.InitContainers) != "x" {
		t.Errorf("back: %s; %s", joined(spec.Containers), joined(spec.InitContainers))
	}
	if got := pod.Unknown.Paths(); len(got) != 1 || got[0] != "spec.containers[istio-proxy].newField" {
		t.Errorf("unknown fields moved back to %v", got)
	}
	always := corev1.ContainerRestartPolicyAlways
	native := &podmodel.Pod{Pod: &corev1.Pod{Spec: corev1.PodSpec{InitContainers: []corev1.Container{{Name: Name, RestartPolicy: &always}}}}}
	MoveBack(native)
	if joined(native.Spec.InitContainers) != "istio-proxy" {
		t.Error("a native sidecar of the user's has been moved")
	}
}
