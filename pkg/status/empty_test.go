package status

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
)

// A pod whose status names anything was injected, whichever lists name it.
func TestOnlyAStatusThatNamesNothingIsEmpty(t *testing.T) {
	for named := range 1 << 4 {
		var s Status
		for i, list := range []*[]string{&s.InitContainers, &s.Containers, &s.Volumes, &s.ImagePullSecrets} {
			if named&(1<<i) != 0 {
				*list = []string{"a"}
			}
		}
		if got, want := s.Empty(), named == 0; got != want {
			t.Errorf("%s: empty %v, want %v", s.String(), got, want)
		}
	}
}

func TestOnlyOverridesThatSavedNothingAreEmpty(t *testing.T) {
	one := saved("a")
	for want, list := range map[bool][]Overrides{
		true:  {{}, {Containers: []podmodel.Container{}}},
		false: {{Containers: one}, {InitContainers: one}, {Containers: one, InitContainers: one}},
	} {
		for _, o := range list {
			if got := o.Empty(); got != want {
				t.Errorf("%s: empty %v, want %v", o.String(), got, want)
			}
		}
	}
}

// Somebody took the containers out of the pod and left the annotations.
func TestSavedContainersComeBackToAPodThatHasLessOfThem(t *testing.T) {
	pod := &podmodel.Pod{Pod: &corev1.Pod{Spec: corev1.PodSpec{Containers: containers("istio-proxy")}}}
	out := WithoutContainers(pod, Status{Containers: []string{"istio-proxy"}},
		Overrides{Containers: saved("istio-proxy", "web"), InitContainers: saved("setup")})
	if got := namesOf(out.Spec.Containers); got != "istio-proxy web" {
		t.Errorf("containers %s", got)
	}
	if got := namesOf(out.Spec.InitContainers); got != "setup" {
		t.Errorf("init containers %s", got)
	}
}
