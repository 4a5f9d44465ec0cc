package inject_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

// A template that adds what the pod does not have adds it the second time, too.
func TestTemplatesDoNotSeeWhatTheyHaveAdded(t *testing.T) {
	s := of(t, sidecar(`spec:
  containers:
  - name: istio-proxy
    image: proxy
{{- if not .Spec.Volumes }}
  - name: app
    volumeMounts:
    - name: added
      mountPath: /added
  volumes:
  - name: added
    emptyDir: {}
{{- end }}
{{- if not .Spec.ImagePullSecrets }}
  imagePullSecrets:
  - name: added
{{- end }}`), "", "", inject.Options{})
	original := object(t, &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app"}}}})
	once := injected(t, s, original)
	if again := s.Inject(t.Context(), inject.Request{Object: once, Namespace: "shop"}); again.Patch != nil {
		t.Errorf("the second injection changes the pod: %s", again.Patch)
	}
	patch, err := s.Uninject(t.Context(), once)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the original and the uninjected pod", original, applied(t, once, patch))
}
