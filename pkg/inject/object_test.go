package inject_test

import (
	"reflect"
	"testing"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

// Callers use the memory of a request's object again. What the engine returns of
// it, and what it remembers for the next pod, must be its own.
func TestResultsDoNotHoldTheObject(t *testing.T) {
	for name, s := range lawSnapshots(t) {
		for seed := range uint64(20) {
			g := newGenerator(seed)
			object := g.object(t, g.pod())
			want := s.Inject(t.Context(), inject.Request{Object: append([]byte(nil), object...), Namespace: "shop"})
			memory := append([]byte(nil), object...)
			got := s.Inject(t.Context(), inject.Request{Object: memory, Namespace: "shop"})
			for i := range memory {
				memory[i] = 'x'
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("%s, seed %d: the result changed with the object:\n%+v\nwant %+v", name, seed, got, want)
			}
			if again := s.Inject(t.Context(), inject.Request{Object: object, Namespace: "shop"}); string(again.Patch) != string(want.Patch) {
				t.Fatalf("%s, seed %d: the next pod is injected otherwise: %s\nwant %s", name, seed, again.Patch, want.Patch)
			}
		}
	}
}
