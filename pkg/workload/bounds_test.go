package workload

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestAsManyValuesAsAreLeftAreExpanded(t *testing.T) {
	list := &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{{Kind: yaml.ScalarNode}, {Kind: yaml.ScalarNode}}}
	for left, want := range map[int]bool{3: true, 2: false} {
		e := expander{left: left}
		if _, err := e.expand(list); (err == nil) != want {
			t.Errorf("a list of two with %d values left: %v", left, err)
		}
	}
}

func TestHowDeepJSONIsRead(t *testing.T) {
	for lists, want := range map[int]bool{maxDepth + 1: true, maxDepth + 2: false} {
		text := strings.Repeat("[", lists) + strings.Repeat("]", lists)
		if _, err := fromJSON([]byte(text)); (err == nil) != want {
			t.Errorf("%d lists within each other: %v", lists, err)
		}
	}
}

func TestListsAreWrittenAsTheFirstOneOfTheDocument(t *testing.T) {
	for text, want := range map[string]bool{
		"a:\n- x\n":                 false,
		"a:\n  - x\n":               true,
		"a: [x]\nb:\n  - y\n":       true,
		"a: [x]\nb:\n- y\n":         false,
		"a: x\n":                    false,
		"a:\n  b:\n  - x\nc:\n - y": false,
	} {
		doc, err := parseYAML([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := indentsLists(doc); got != want {
			t.Errorf("%q: indented %v, want %v", text, got, want)
		}
		// A list that came in with a patch stands nowhere yet.
		added, err := fromJSON([]byte(`["new"]`))
		if err != nil {
			t.Fatal(err)
		}
		doc.Content[0].Content = slices.Insert(doc.Content[0].Content, 0, stringNode("new"), added)
		if got := indentsLists(doc); got != want {
			t.Errorf("%q, with a new list: indented %v, want %v", text, got, want)
		}
	}
}

func TestItemsWithoutANode(t *testing.T) {
	one, err := fromJSON([]byte("[1]"))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := writeJSON(&b, one, []any{1, 2}); err != nil || b.String() != "[1,2]" {
		t.Errorf("got %s, %v", b.String(), err)
	}
}

func TestListsWithinListsAreOpened(t *testing.T) {
	pod := map[string]any{"apiVersion": "v1", "kind": "Pod", "spec": map[string]any{}}
	for lists, want := range map[int]int{0: 1, 1: 1, maxLists: 1, maxLists + 1: 0} {
		object := pod
		for range lists {
			object = map[string]any{"apiVersion": "v1", "kind": "List", "items": []any{object}}
		}
		var m manifest
		m.collectNodes(object, nil)
		if len(m.units) != want {
			t.Errorf("a pod within %d lists: %d units, want %d", lists, len(m.units), want)
		}
	}
}
