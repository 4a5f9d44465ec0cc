package podmodel_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
)

func fields(values ...string) *podmodel.Fields {
	f := (*podmodel.Fields)(nil).Clone()
	for _, name := range values {
		f.Set(name, jsontext.Value(`"`+name+`"`))
	}
	return f
}

func TestNoFields(t *testing.T) {
	var none *podmodel.Fields
	if _, ok := none.Value("a"); ok || none.Below("a") != nil || !none.Empty() || none.Paths() != nil || none.Items(podschema.Pod(), reflect.Value{}) != nil {
		t.Error("a nil tree has something")
	}
	for range none.Values() {
		t.Error("a nil tree has a value")
	}
	if text, err := json.Marshal(none); err != nil || string(text) != "null" {
		t.Errorf("wrote %s, error %v", text, err)
	}
	if got := none.WithBelow("a", nil); got != nil {
		t.Errorf("got %v", got)
	}
	if got := none.WithBelow("a", fields()); got != nil {
		t.Errorf("got %v", got)
	}
}

func TestSetAndClone(t *testing.T) {
	f := fields("a", "b")
	f.SetBelow("known", fields("c"))
	copied := f.Clone()
	copied.Set("a", nil)
	copied.Set("d", jsontext.Value("4"))
	copied.SetBelow("known", nil)
	copied.SetBelow("other", fields("e"))
	copied.SetBelow("nothing", fields())
	text := func(f *podmodel.Fields) string {
		out, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	if got, want := text(f), `{"values":{"a":"a","b":"b"},"below":{"known":{"values":{"c":"c"}}}}`; got != want {
		t.Errorf("the original is %s, want %s", got, want)
	}
	if got, want := text(copied), `{"values":{"b":"b","d":4},"below":{"other":{"values":{"e":"e"}}}}`; got != want {
		t.Errorf("the copy is %s, want %s", got, want)
	}
	if fields().Empty() != true || f.Empty() || f.Below("known").Empty() {
		t.Error("Empty is wrong")
	}
	onlyBelow := (*podmodel.Fields)(nil).WithBelow("known", fields("c"))
	if onlyBelow.Empty() {
		t.Error("a tree with fields below is empty")
	}
	both := fields("a") // one here and one below
	both.SetBelow("known", fields("c"))
	if both.Empty() {
		t.Error("a tree with a field here and one below is empty")
	}
}

// Only a change makes a new tree, and the last field that goes takes it along.
func TestWithBelow(t *testing.T) {
	below := fields("c")
	f := fields("a").WithBelow("known", below)
	if f.WithBelow("known", below) != f || f.WithBelow("other", nil) != f {
		t.Error("a change of nothing makes a new tree")
	}
	if got := f.WithBelow("known", nil); got == f || got.Below("known") != nil || f.Below("known") != below {
		t.Error("what is below is not removed from a copy")
	}
	if got := (*podmodel.Fields)(nil).WithBelow("known", below).WithBelow("known", nil); got != nil {
		t.Errorf("left %v", got.Paths())
	}
}

func TestEqualAndWithout(t *testing.T) {
	f := mustDecode(t, []byte(`{"a":1,"b":{"x": [1, 2]},"spec":{"c":3,"containers":[{"name":"p","d":4}]}}`)).Unknown
	same := mustDecode(t, []byte(`{"b":{"x":[1,2]},"a":1,"spec":{"containers":[{"name":"p","d":4}],"c":3}}`)).Unknown
	if !podmodel.Equal(f, f) || !podmodel.Equal(f, same) || !podmodel.Equal(nil, fields()) {
		t.Error("equal trees differ")
	}
	for _, text := range []string{`{}`, `{"a":1}`, `{"a":1,"b":{"x":[1,2]},"spec":{"c":3}}`, `{"a":1,"b":{"x":[1,3]},"spec":{"c":3,"containers":[{"name":"p","d":4}]}}`} {
		if other := mustDecode(t, []byte(text)).Unknown; podmodel.Equal(f, other) || podmodel.Equal(other, f) {
			t.Errorf("equal to that of %s", text)
		}
	}
	other := mustDecode(t, []byte(`{"a":1,"b":2,"e":5,"spec":{"c":3,"containers":[{"name":"p","d":4},{"name":"q","d":4}]}}`)).Unknown
	if got := f.Without(other).Paths(); !slices.Equal(got, []string{"b"}) {
		t.Errorf("left %q", got)
	}
	if f.Without(nil) != f || f.Without(same) != nil || (*podmodel.Fields)(nil).Without(f) != nil {
		t.Error("Without is wrong where one has all or nothing")
	}
	if !podmodel.EqualValues(jsontext.Value("{"), jsontext.Value("{")) || podmodel.EqualValues(jsontext.Value("{ "), jsontext.Value("{")) {
		t.Error("what is no JSON is compared as text")
	}
}

// Elements are named by their identity, the later ones of one identity by their
// number, and those without identity by their position.
func TestPaths(t *testing.T) {
	pod := mustDecode(t, []byte(`{"n":1,"metadata":{"m":1},"spec":{"containers":[{"name":"a","c":1,
		"ports":[{"containerPort":53,"p":1},{"containerPort":53,"protocol":"UDP","p":1},{"containerPort":53,"protocol":"TCP","p":1}],
		"env":[{"name":"E"},{"name":"E","v":1},{"name":"E","v":1}]}],
		"tolerations":[{"t":1},{},{"t":1}]}}`))
	want := []string{
		"metadata.m", "n", "spec.containers[a].c", "spec.containers[a].env[E #1].v", "spec.containers[a].env[E #2].v",
		"spec.containers[a].ports[53/TCP #1].p", "spec.containers[a].ports[53/TCP].p", "spec.containers[a].ports[53/UDP].p",
		"spec.tolerations[0].t", "spec.tolerations[2].t",
	}
	if got := pod.Unknown.Paths(); !slices.Equal(got, want) {
		t.Errorf("got\n%q, want\n%q", got, want)
	}
}

// Moving a container takes its fields along and nothing else.
func TestMoveUnknown(t *testing.T) {
	pod := mustDecode(t, []byte(`{"spec":{"containers":[{"name":"a","x":1},{"name":"b","x":1}],"initContainers":[{"name":"c","x":1}]}}`))
	before := pod.Unknown
	moved := pod.Copy()
	moved.MoveUnknown("a", podmodel.AppContainers, podmodel.InitContainers)
	want := []string{"spec.containers[b].x", "spec.initContainers[a].x", "spec.initContainers[c].x"}
	if got := moved.Unknown.Paths(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if pod.Unknown != before || len(before.Paths()) != 3 || before.Paths()[0] != "spec.containers[a].x" {
		t.Error("the original has changed")
	}
	moved.MoveUnknown("a", podmodel.InitContainers, podmodel.AppContainers)
	if !podmodel.Equal(moved.Unknown, before) {
		t.Errorf("moved back: %q", moved.Unknown.Paths())
	}
}
