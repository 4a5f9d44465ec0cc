package patch_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	serverpatch "gopkg.in/evanphx/json-patch.v4"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	utiljson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podgen"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
)

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func decode(t testing.TB, raw []byte) *corev1.Pod {
	t.Helper()
	p := new(corev1.Pod)
	if err := utiljson.UnmarshalCaseSensitivePreserveInts(raw, p); err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	return p
}

// apply is the judge: a library that shares no code with ours, and its older
// release, which API servers use; both must agree.
func apply(t testing.TB, raw, diff []byte) []byte {
	t.Helper()
	if diff == nil {
		return raw
	}
	p, err := jsonpatch.DecodePatch(diff)
	if err != nil {
		t.Fatalf("%v\n%s", err, diff)
	}
	out, err := p.Apply(raw)
	if err != nil {
		t.Fatalf("%v\npatch %s\nobject %s", err, diff, raw)
	}
	old, err := serverpatch.DecodePatch(diff)
	if err != nil {
		t.Fatalf("%v\n%s", err, diff)
	}
	same, err := old.Apply(raw)
	if err != nil {
		t.Fatalf("as API servers apply it: %v\npatch %s\nobject %s", err, diff, raw)
	}
	if !equality.Semantic.DeepEqual(decode(t, out), decode(t, same)) {
		t.Fatalf("API servers make something else of it\npatch %s\nobject %s\ngot  %s\nthey %s", diff, raw, out, same)
	}
	return out
}

// mustReach checks the one promise of a patch: what it makes of raw decodes to
// after.
func mustReach(t testing.TB, raw, diff []byte, after *corev1.Pod) []byte {
	t.Helper()
	out := apply(t, raw, diff)
	got := decode(t, out)
	want := decode(t, mustJSON(t, after))
	if !equality.Semantic.DeepEqual(got, want) {
		w, _ := yaml.Marshal(want)
		g, _ := yaml.Marshal(got)
		if d := cmp.Diff(string(w), string(g)); d != "" {
			t.Fatalf("(-want +got)\n%s\npatch %s\nobject %s", d, diff, raw)
		}
	}
	return out
}

const marker = "xUnknown~/field"

// mark puts a field that no type knows into every object of a pod's JSON. Its
// value says where the object is, list items by what identifies them.
func mark(v any, t *podschema.Type, path string) {
	o, ok := v.(map[string]any)
	if !ok || t.Kind != podschema.Struct {
		return
	}
	for i := range t.Fields {
		f := &t.Fields[i]
		walk(o[f.Name], f, path, mark)
	}
	o[marker] = path
}

// walk calls visit for the objects right below a field, with their paths.
func walk(v any, f *podschema.Field, path string, visit func(any, *podschema.Type, string)) {
	name := strings.Replace(f.Name, "initContainers", "containers", 1) // they may change over
	switch v := v.(type) {
	case map[string]any:
		visit(v, f.Type, path+"."+name)
	case []any:
		if f.Type.Kind != podschema.List || len(f.Type.Identity) == 0 {
			return
		}
		seen := map[string]int{}
		ids := make([]string, len(v))
		for i, item := range v {
			o, _ := item.(map[string]any)
			for _, key := range f.Type.Identity {
				id, _ := json.Marshal(o[key.Name])
				ids[i] += string(id)
			}
			seen[ids[i]]++
		}
		for i, item := range v {
			if seen[ids[i]] == 1 {
				visit(item, f.Type.Elem, path+"."+name+"["+ids[i]+"]")
			}
		}
	}
}

// marks collects the paths of all objects, and whether they carry their mark.
func marks(v any, t *podschema.Type, path string, into map[string]int) {
	o, ok := v.(map[string]any)
	if !ok || t.Kind != podschema.Struct {
		return
	}
	into[path]++
	if o[marker] != path {
		into[path] += lost
	}
	for i := range t.Fields {
		walk(o[t.Fields[i].Name], &t.Fields[i], path, func(v any, t *podschema.Type, p string) { marks(v, t, p, into) })
	}
}

const lost = 1000

// ambiguous returns the paths of containers whose name is used more than once in
// one of the pods: then no one can say which of them is which.
func ambiguous(t testing.TB, pods ...*corev1.Pod) []string {
	t.Helper()
	var paths []string
	for _, p := range pods {
		seen := map[string]bool{}
		for _, c := range append(append([]corev1.Container(nil), p.Spec.Containers...), p.Spec.InitContainers...) {
			if seen[c.Name] {
				paths = append(paths, ".spec.containers["+string(mustJSON(t, c.Name))+"]")
			}
			seen[c.Name] = true
		}
	}
	return paths
}

func tree(t testing.TB, raw []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// Whatever is done to a pod, the patch leads there, and every object that is
// still there, wherever it has been moved, keeps what we do not know of it.
func TestDiffLeadsThere(t *testing.T) {
	kept, rounds := 0, podgen.Rounds(800)
	for seed := range uint64(rounds) {
		g := podgen.New(seed)
		before := decode(t, mustJSON(t, podgen.Typed[corev1.Pod](g)))
		after := before.DeepCopy()
		for range g.Rand.IntN(3) {
			g.Mutate(after)
		}
		data := tree(t, mustJSON(t, before))
		mark(data, podschema.Pod(), "")
		raw := mustJSON(t, data)
		before = decode(t, raw)
		snapshot := after.DeepCopy()

		diff, err := diffOf(t, raw, before, after)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if !reflect.DeepEqual(snapshot, after) {
			t.Fatalf("seed %d: the pod was changed", seed)
		}
		out := mustReach(t, raw, diff, after)
		twice := ambiguous(t, before, after)
		was, is := map[string]int{}, map[string]int{}
		marks(data, podschema.Pod(), "", was)
		marks(tree(t, out), podschema.Pod(), "", is)
		for path, n := range is {
			if was[path] == 1 && n == lost+1 && !slices.ContainsFunc(twice, func(p string) bool { return strings.HasPrefix(path, p) }) {
				t.Fatalf("seed %d: %s has lost its unknown field\npatch %s\nobject %s", seed, path, diff, raw)
			}
			if was[path] == 1 && n == 1 {
				kept++
			}
		}
		if diff, err = diffOf(t, out, decode(t, out), after); err != nil || diff != nil {
			t.Fatalf("seed %d: a second difference is not empty: %s, %v", seed, diff, err)
		}
	}
	if kept < 3*rounds {
		t.Errorf("only %d objects were there to keep something", kept)
	}
}

func TestDiffOfEqualPodsIsNil(t *testing.T) {
	for seed := range uint64(podgen.Rounds(200)) {
		before := podgen.Typed[corev1.Pod](podgen.New(seed))
		diff, err := diffOf(t, mustJSON(t, before), before, before.DeepCopy())
		if err != nil || diff != nil {
			t.Fatalf("seed %d: %s, %v", seed, diff, err)
		}
	}
}

// Any white space is as good as any other.
func TestDiffOfIndentedJSON(t *testing.T) {
	for seed := range uint64(podgen.Rounds(200)) {
		g := podgen.New(seed)
		before := decode(t, mustJSON(t, podgen.Typed[corev1.Pod](g)))
		after := before.DeepCopy()
		g.Mutate(after)
		var raw bytes.Buffer
		if err := json.Indent(&raw, mustJSON(t, before), " \t\r\n", "\t \n"); err != nil {
			t.Fatal(err)
		}
		indented := append([]byte(" \n"), raw.Bytes()...)
		diff, err := diffOf(t, indented, before, after)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		mustReach(t, indented, diff, after)
	}
}
