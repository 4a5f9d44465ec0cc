package merge_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	utiljson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podgen"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/merge"
)

// library merges as the API server's own library does, on the JSON.
func library[T any](base *T, overlay []byte) (out *T, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	text, err := json.Marshal(base)
	if err != nil {
		return nil, err
	}
	merged, err := strategicpatch.StrategicMergePatch(text, overlay, base)
	if err != nil {
		return nil, err
	}
	var data any
	if err := utiljson.UnmarshalCaseSensitivePreserveInts(merged, &data); err != nil {
		return nil, err
	}
	if merged, err = json.Marshal(plain(data)); err != nil {
		return nil, err
	}
	out = new(T)
	return out, utiljson.UnmarshalCaseSensitivePreserveInts(merged, out)
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The typed merge and the library must agree on thousands of random pods and
// overlays, list order included.
func TestStrategicLikeTheLibrary(t *testing.T) {
	rounds := podgen.Rounds(1000)
	agreed := 0
	for seed := range uint64(rounds) {
		g := podgen.New(seed)
		if seed%3 == 0 {
			g.Directives = 0
		}
		base := podgen.Typed[corev1.Pod](g)
		base = roundTrip(t, base)
		overlay := mustJSON(t, g.Overlay())
		want, libraryErr := library(base, overlay)
		o, err := merge.ParseOverlay(context.Background(), overlay)
		var got *corev1.Pod
		before := mustJSON(t, base)
		if err == nil {
			got, err = strategic(base, o)
		}
		if string(before) != string(mustJSON(t, base)) {
			t.Fatalf("seed %d: the pod given was changed", seed)
		}
		if err != nil || libraryErr != nil {
			if (err == nil) != (libraryErr == nil) && !tolerated(libraryErr) {
				t.Fatalf("seed %d: error %v, the library's %v\noverlay %s", seed, err, libraryErr, overlay)
			}
			continue
		}
		agreed++
		if g.Directives == 0 && bytes.Equal(mustJSON(t, want), mustJSON(t, got)) {
			continue
		}
		if d := cmp.Diff(string(mustYAML(t, want)), string(mustYAML(t, got))); d != "" {
			t.Fatalf("seed %d: (-library +ours)\n%s\noverlay %s\npod %s", seed, d, overlay, before)
		}
	}
	if agreed < rounds*2/3 {
		t.Errorf("only %d of %d cases could be compared", agreed, rounds)
	}
}

func roundTrip[T any](t *testing.T, v *T) *T {
	t.Helper()
	out := new(T)
	if err := utiljson.UnmarshalCaseSensitivePreserveInts(mustJSON(t, v), out); err != nil {
		t.Fatal(err)
	}
	return out
}

func mustYAML(t *testing.T, v any) []byte {
	t.Helper()
	b, err := yaml.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// plain takes out of JSON data what the library lets stand in places where there
// was nothing to merge with, see the package's documentation.
func plain(v any) any {
	switch v := v.(type) {
	case []any:
		kept := []any{}
		for _, item := range v {
			if !isPatch(item) {
				kept = append(kept, plain(item))
			}
		}
		return kept
	case map[string]any:
		kept := map[string]any{}
		for name, value := range v {
			if value != nil && !strings.HasPrefix(name, "$") && !isPatch(value) {
				kept[name] = plain(value)
			}
		}
		return kept
	}
	return v
}

func isPatch(v any) bool {
	m, ok := v.(map[string]any)
	return ok && m["$patch"] != nil
}

// tolerated names what the library refuses and we do not: see the package's
// documentation.
func tolerated(libraryErr error) bool {
	if libraryErr == nil {
		return false
	}
	for _, reason := range []string{
		"does not contain declared merge key",                  // an item of the pod with an empty key
		"quantities must match",                                // a directive left standing among quantities
		"no elements in any of the given slices",               // an order for a list that is empty
		"expected a []interface {}, but received a %!s(<nil>)", // an order for containers: null
	} {
		if strings.Contains(libraryErr.Error(), reason) {
			return true
		}
	}
	return false
}
