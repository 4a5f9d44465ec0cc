package merge_test

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	utiljson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/merge"
)

// Whatever the overlay: no panic, the pod stays as it was, and where the library
// merges it too, both give the same.
func FuzzStrategic(f *testing.F) {
	f.Add([]byte(`{"spec":{"containers":[{"name":"a","ports":[{"containerPort":1},{"containerPort":1,"protocol":"UDP"}]}]}}`),
		[]byte("spec:\n  containers:\n  - name: a\n    ports:\n    - containerPort: 1\n      name: x\n  - name: b\n"))
	f.Add([]byte(`{"metadata":{"labels":{"a":"b"},"finalizers":["x"]}}`),
		[]byte("metadata: {labels: {a: null, c: d}, $deleteFromPrimitiveList/finalizers: [x]}"))
	f.Add([]byte(`{"spec":{"volumes":[{"name":"v","emptyDir":{}}]}}`),
		[]byte("spec: {volumes: [{name: v, $retainKeys: [name, secret], secret: {}}]}"))
	f.Add([]byte(`{"spec":{"containers":[{"name":"a"},{"name":"b"}]}}`),
		[]byte("spec: {$setElementOrder/containers: [{name: b}, {name: a}], containers: [{name: b, $patch: delete}]}"))
	f.Add([]byte(`{}`), []byte("a: &a [*a]"))
	f.Add([]byte(`{"spec":null}`), []byte("spec: {containers: [{name: 1, $patch: replace}]}"))
	f.Fuzz(func(t *testing.T, podText, overlayText []byte) {
		base := new(corev1.Pod)
		if utiljson.UnmarshalCaseSensitivePreserveInts(podText, base) != nil {
			return
		}
		base = roundTrip(t, base)
		before := mustJSON(t, base)
		o, err := merge.ParseOverlay(context.Background(), overlayText)
		if err != nil {
			return
		}
		got, err := strategic(base, o)
		if string(mustJSON(t, base)) != string(before) {
			t.Fatal("the pod given was changed")
		}
		if err != nil || !comparable(overlayText) {
			return
		}
		text, err := yaml.YAMLToJSON(overlayText)
		if err != nil {
			t.Fatal(err)
		}
		want, err := library(base, text)
		if err != nil {
			return
		}
		if w, g := mustYAML(t, want), mustYAML(t, got); string(w) != string(g) {
			t.Fatalf("the library:\n%s\ngot:\n%s", w, g)
		}
	})
}

// comparable leaves overlays with directives to the generator, which avoids the
// few cases that the package documents as different.
func comparable(overlay []byte) bool {
	for _, b := range overlay {
		if b == '$' {
			return false
		}
	}
	return true
}
