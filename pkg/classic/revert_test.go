package classic

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
)

// What the fragment set is removed, and what somebody set in its place is not.
func TestFieldsOfTheFragmentAreReverted(t *testing.T) {
	f := &Fragment{
		DNSConfig:       &corev1.PodDNSConfig{Searches: []string{"global"}},
		SecurityContext: &corev1.PodSecurityContext{FSGroup: i64(1337)},
	}
	var pod corev1.Pod
	f.Append(&pod)
	if !equality.Semantic.DeepEqual(pod.Spec.DNSConfig, f.DNSConfig) || !equality.Semantic.DeepEqual(pod.Spec.SecurityContext, f.SecurityContext) {
		t.Fatalf("the fragment's fields are not set: %+v", pod.Spec)
	}
	f.Revert(&pod)
	if pod.Spec.DNSConfig != nil || pod.Spec.SecurityContext != nil {
		t.Errorf("left: %v, %v", pod.Spec.DNSConfig, pod.Spec.SecurityContext)
	}

	own := corev1.PodSpec{
		DNSConfig:       &corev1.PodDNSConfig{Searches: []string{"own"}},
		SecurityContext: &corev1.PodSecurityContext{FSGroup: i64(1)},
	}
	for name, f := range map[string]*Fragment{"another value": f, "no value": {}} {
		pod := corev1.Pod{Spec: *own.DeepCopy()}
		f.Revert(&pod)
		if !equality.Semantic.DeepEqual(pod.Spec, own) {
			t.Errorf("%s: the pod's own fields are now %v, %v", name, pod.Spec.DNSConfig, pod.Spec.SecurityContext)
		}
	}
}
