package inject_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/conformance"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

// The laws hold for the reference's own pods and templates too.
func TestLawsOnTheCorpora(t *testing.T) {
	for _, c := range conformance.Cases(t, "admission") {
		if c.Skipped || c.Error != "" {
			continue
		}
		t.Run(filepath.Base(c.Corpus)+"/"+filepath.Base(c.Dir), func(t *testing.T) {
			s := snapshotOf(t, &c)
			object := c.Read(t, "pod.json")
			once := reinjected(t, s, &c, object)
			if strings.Contains(string(object), `"sidecar.istio.io/status"`) {
				// Injected by another version before: what that one left is
				// taken over once, and there is no original to come back to.
				once = reinjected(t, s, &c, once)
				same(t, "twice and three times", once, reinjected(t, s, &c, once))
				return
			}
			same(t, "once and twice", once, reinjected(t, s, &c, once))
			if s.Dialect() == config.Classic && strings.Contains(string(object), `"name": "istio-init"`) {
				return // taken for the work of the first injectors, which did not sign
			}
			patch, err := s.Uninject(t.Context(), once)
			if err != nil {
				t.Fatal(err)
			}
			same(t, "the original and the uninjected pod", numbered(t, object), numbered(t, applied(t, once, patch)))
		})
	}
}

// numbered is the object with the ports of its probes as numbers, which is how
// they come back.
func numbered(t *testing.T, object []byte) []byte {
	t.Helper()
	var pod corev1.Pod
	if err := json.Unmarshal(object, &pod); err != nil {
		t.Fatal(err)
	}
	for i := range pod.Spec.Containers {
		c := &pod.Spec.Containers[i]
		for _, p := range []*corev1.Probe{c.ReadinessProbe, c.LivenessProbe, c.StartupProbe} {
			for _, port := range c.Ports {
				if p != nil && p.HTTPGet != nil && p.HTTPGet.Port == intstr.FromString(port.Name) {
					p.HTTPGet.Port = intstr.FromInt32(port.ContainerPort)
				}
				if p != nil && p.TCPSocket != nil && p.TCPSocket.Port == intstr.FromString(port.Name) {
					p.TCPSocket.Port = intstr.FromInt32(port.ContainerPort)
				}
			}
		}
	}
	out, err := json.Marshal(&pod)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func reinjected(t *testing.T, s *inject.Snapshot, c *conformance.Case, object []byte) []byte {
	t.Helper()
	res := s.Inject(t.Context(), inject.Request{Object: object, Namespace: c.Namespace})
	if res.Decision.Outcome != decide.Inject {
		t.Fatalf("decided %s: %s", res.Decision.Code, res.Decision.Message)
	}
	return applied(t, object, res.Patch)
}
