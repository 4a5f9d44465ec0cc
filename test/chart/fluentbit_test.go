package chart

import (
	"encoding/json"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/conformance"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

// The example that adds a volume to every container, in a pod whose containers have
// the service account's token, as the API server mounts it: also into the sidecar,
// before the webhook is called again.
func TestFluentBitTwiceAndBack(t *testing.T) {
	token := corev1.VolumeMount{Name: "kube-api-access-x", MountPath: "/var/run/secrets/kubernetes.io/serviceaccount", ReadOnly: true}
	pod := application()
	pod.Spec.Volumes[0].Name = token.Name
	pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{token}
	objects := install{files: []string{"examples/fluent-bit.yaml"}}.render(t)
	for name, native := range map[string]bool{"container": false, "native sidecar": true} {
		t.Run(name, func(t *testing.T) {
			s := compile(t, objects, native)
			before, once := marshal(t, pod), injected(t, s, pod)
			called := once.DeepCopy()
			for _, list := range [][]corev1.Container{called.Spec.InitContainers, called.Spec.Containers} {
				for i := range list {
					if list[i].Name == "fluent-bit" {
						list[i].VolumeMounts = append(list[i].VolumeMounts, token)
					}
				}
			}
			if again := s.Inject(t.Context(), inject.Request{Object: marshal(t, called), Namespace: "shop"}); again.Patch != nil {
				t.Errorf("the second call changes the pod: %s", again.Patch)
			}
			for what, injected := range map[string]*corev1.Pod{"once": once, "twice": called} {
				object := marshal(t, injected)
				patch, err := s.Uninject(t.Context(), object)
				if err != nil {
					t.Fatal(err)
				}
				same(t, "uninject after "+what, before, patched(t, object, patch))
			}
		})
	}
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func patched(t *testing.T, object, patch []byte) []byte {
	t.Helper()
	p, err := jsonpatch.DecodePatch(patch)
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.Apply(object)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func same(t *testing.T, what string, want, got []byte) {
	t.Helper()
	diff, err := conformance.Diff(want, got)
	if err != nil {
		t.Fatal(err)
	}
	if diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", what, diff)
	}
}
