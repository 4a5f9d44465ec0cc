package patch_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podgen"
)

// What is usual is written in a way of its own, and must be the same whatever else
// is set besides.
func TestUsualValues(t *testing.T) {
	usual := 0
	for seed := range uint64(600) {
		g := &podgen.Gen{Rand: rand.New(rand.NewPCG(seed, 1)), Fill: 4}
		some := podgen.Typed[struct { // at the top, every field would be set
			Volume corev1.Volume
			Dir    corev1.EmptyDirVolumeSource
			Var    corev1.EnvVar
			From   corev1.EnvVarSource
			Field  corev1.ObjectFieldSelector
		}](g)
		if seed%5 != 0 {
			some.Volume.EmptyDir, some.Var.ValueFrom, some.From.FieldRef = &some.Dir, &some.From, &some.Field
		}
		raw := []byte(`{"spec":{"containers":[{"name":"a"}]}}`)
		before := decode(t, raw)
		after := before.DeepCopy()
		after.Spec.Volumes = []corev1.Volume{some.Volume}
		after.Spec.Containers[0].Env = []corev1.EnvVar{some.Var}
		got, err := diffOf(t, raw, before, after)
		if err != nil {
			t.Fatal(err)
		}
		mustReach(t, raw, got, after)
		if s := string(got); strings.Contains(s, `"emptyDir":{}}`) && strings.Contains(s, `"valueFrom":{"fieldRef":{"fieldPath":`) {
			usual++
		}
	}
	if usual < 30 || usual > 570 {
		t.Errorf("%d of 600 are usual: the test should have both", usual)
	}
}
