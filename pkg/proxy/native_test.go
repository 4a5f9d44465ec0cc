package proxy

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
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
	spec := &corev1.PodSpec{Containers: list("a", Name, "b"), InitContainers: list("x")}
	shared := spec.Containers
	MoveToInit(spec)
	if joined(spec.Containers) != "a b" || joined(spec.InitContainers) != "x istio-proxy" || joined(shared) != "a istio-proxy b" {
		t.Errorf("moved: %s; %s; shared %s", joined(spec.Containers), joined(spec.InitContainers), joined(shared))
	}
	MoveToInit(spec)
	MoveBack(spec)
	if joined(spec.Containers) != "a b istio-proxy" || joined(spec.InitContainers) != "x" {
		t.Errorf("back: %s; %s", joined(spec.Containers), joined(spec.InitContainers))
	}
	always := corev1.ContainerRestartPolicyAlways
	native := &corev1.PodSpec{InitContainers: []corev1.Container{{Name: Name, RestartPolicy: &always}}}
	MoveBack(native)
	if joined(native.InitContainers) != "istio-proxy" {
		t.Error("a native sidecar of the user's has been moved")
	}
}
