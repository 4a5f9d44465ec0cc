package patch_test

import (
	"encoding/json"
	"testing"

	corev1 "k8s.io/api/core/v1"
	utiljson "sigs.k8s.io/json"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podgen"
)

// Whatever an object looks like that decodes to a pod, and whatever is done to
// it: the patch applies and leads there.
func FuzzDiff(f *testing.F) {
	for i, raw := range []string{
		`{}`,
		`{"metadata":{"labels":{"a/b":"c~d"},"annotations":null},"spec":{"containers":[]}}`,
		`{"spec":{"containers":[{"name":"a","x":{}},{"name":"b"}],"initContainers":[{"name":"c"}]}}`,
		`{"spec":{"securityContext":{},"securityContext":{"fsGroup":1}},"spec":{"hostname":"\ud83d\ude00"}}`,
		" {\n\"spec\" : { \"volumes\":[ {\"name\":\"v\",\"emptyDir\":{\"sizeLimit\":\"1Gi\"}} , null ] } }\n",
		`{"spec":{"overhead":{"cpu":1.5},"priority":12,"unknown":1e999}}`,
	} {
		f.Add([]byte(raw), uint64(i))
	}
	f.Fuzz(func(t *testing.T, raw []byte, seed uint64) {
		before := new(corev1.Pod)
		if !json.Valid(raw) || raw[0] == 'n' || utiljson.UnmarshalCaseSensitivePreserveInts(raw, before) != nil {
			return
		}
		if _, err := json.Marshal(before); err != nil {
			return
		}
		after := before.DeepCopy()
		podgen.New(seed).Mutate(after)
		diff, err := diffOf(t, raw, before, after)
		if err != nil {
			t.Fatal(err)
		}
		mustReach(t, raw, diff, after)
	})
}
