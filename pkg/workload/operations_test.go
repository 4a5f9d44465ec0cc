package workload

import (
	"reflect"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"go.yaml.in/yaml/v3"
	sigsyaml "sigs.k8s.io/yaml"
)

// A patch does to a manifest what another library does to the same object in
// JSON, and fails where that fails.
func TestOperationsLikeTheLibrary(t *testing.T) {
	const manifest = `
metadata: {name: a}
spec:
  list: [x, y, z]
  items:
  - name: first
  - {name: second}
  host: true
`
	for _, patch := range []string{
		`[{"op":"remove","path":"/spec/list/0"}]`,
		`[{"op":"remove","path":"/spec/list/2"}]`,
		`[{"op":"remove","path":"/spec/list/3"}]`,
		`[{"op":"add","path":"/spec/list/0","value":"new"}]`,
		`[{"op":"add","path":"/spec/list/3","value":"new"}]`,
		`[{"op":"add","path":"/spec/list/4","value":"new"}]`,
		`[{"op":"add","path":"/spec/list/-","value":"new"},{"op":"add","path":"/spec/list/-","value":"newer"}]`,
		`[{"op":"add","path":"/spec/list/x","value":"new"}]`,
		`[{"op":"replace","path":"/spec/list/0","value":"new"}]`,
		`[{"op":"replace","path":"/spec/list/2","value":"new"}]`,
		`[{"op":"replace","path":"/spec/list/3","value":"new"}]`,
		`[{"op":"move","from":"/spec/list/0","path":"/spec/list/-"}]`,
		`[{"op":"move","from":"/spec/list/2","path":"/spec/list/0"}]`,
		`[{"op":"move","from":"/spec/items/1","path":"/spec/items/0"}]`,
		`[{"op":"move","from":"/spec/host","path":"/spec/items/0/host"}]`,
		`[{"op":"move","from":"/spec/list/3","path":"/spec/list/0"}]`,
		`[{"op":"move","from":"/spec/none","path":"/spec/list/0"}]`,
		`[{"op":"add","path":"/spec/items/0/image","value":"new"}]`,
		`[{"op":"add","path":"/spec/items/1/image","value":{"a":["b"]}}]`,
		`[{"op":"add","path":"/spec/items/2/image","value":"new"}]`,
		`[{"op":"replace","path":"/spec/host","value":false}]`,
		`[{"op":"remove","path":"/spec/host"}]`,
		`[{"op":"remove","path":"/spec/none"}]`,
		`[{"op":"remove","path":"/metadata/name"}]`,
		`[{"op":"add","path":"/metadata/labels","value":{"a/b":"c"}},{"op":"add","path":"/metadata/labels/d~1e~0f","value":"g"}]`,
		`[{"op":"add","path":"/metadata/name/first","value":"new"}]`,
		`[{"op":"add","path":"/metadata/name/first/second","value":"new"}]`,
		`[{"op":"add","path":"/spec/none/name","value":"new"}]`,
		`[{"op":"turn","path":"/spec/host"}]`,
	} {
		var doc yaml.Node
		if err := yaml.Unmarshal([]byte(manifest), &doc); err != nil {
			t.Fatal(err)
		}
		root := doc.Content[0]
		e := editor{metadata: root, spec: root}
		err := e.apply([]byte(patch))

		asJSON, jsonErr := sigsyaml.YAMLToJSON([]byte(manifest))
		if jsonErr != nil {
			t.Fatal(jsonErr)
		}
		operations, libraryErr := jsonpatch.DecodePatch([]byte(patch))
		if libraryErr == nil {
			asJSON, libraryErr = operations.Apply(asJSON)
		}
		if (err == nil) != (libraryErr == nil) {
			t.Errorf("%s: %v, but the library: %v", patch, err, libraryErr)
			continue
		}
		if err != nil {
			continue
		}
		text, err := yaml.Marshal(&doc)
		if err != nil {
			t.Fatal(err)
		}
		var got, want any
		if err := sigsyaml.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		if err := sigsyaml.Unmarshal(asJSON, &want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got\n%s\nwant\n%s", patch, text, asJSON)
		}
	}
}

// What people wrote beside a value stays beside the one that replaces it, unless
// the value is of another kind: then the remark is about what is gone.
func TestCommentsBesideAReplacedValue(t *testing.T) {
	for patch, want := range map[string]string{
		`[{"op":"replace","path":"/spec/host","value":false}]`:    "spec:\n    host: false # why\n    labels: # kept apart\n        a: b\n",
		`[{"op":"replace","path":"/spec/host","value":{"a":1}}]`:  "spec:\n    host:\n        a: 1\n    labels: # kept apart\n        a: b\n",
		`[{"op":"replace","path":"/spec/labels","value":"none"}]`: "spec:\n    host: true # why\n    labels: none # kept apart\n",
	} {
		var doc yaml.Node
		if err := yaml.Unmarshal([]byte("spec:\n  host: true # why\n  labels: # kept apart\n    a: b\n"), &doc); err != nil {
			t.Fatal(err)
		}
		e := editor{metadata: doc.Content[0], spec: doc.Content[0]}
		if err := e.apply([]byte(patch)); err != nil {
			t.Fatal(err)
		}
		if got, err := yaml.Marshal(&doc); err != nil || string(got) != want {
			t.Errorf("%s: got\n%s\nwant\n%s", patch, got, want)
		}
	}
}
