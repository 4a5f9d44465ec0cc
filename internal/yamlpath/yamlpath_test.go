package yamlpath_test

import (
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/yamlpath"
)

const document = `spec: &s
  containers:
  - image: a
    name: app
  - name: proxy
    env: [{name: A, value: x}]
  - name: proxy
    image: b
metadata:
  annotations:
    example.com/a.b: c
    example.com/a: {b: d}
other: *s
numbers: [[1, 2], [3]]
`

func TestFind(t *testing.T) {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(document), &doc); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]struct {
		line, column int
		key          string
		exact        bool
	}{
		"":                                     {1, 1, "", true},
		"spec.containers":                      {3, 3, "containers", true},
		"spec.containers[app].image":           {3, 12, "image", true},
		"spec.containers[name=app].image":      {3, 12, "image", true},
		"spec.containers[1].env[A].value":      {6, 28, "value", true},
		"spec.containers[proxy].image":         {8, 12, "image", true}, // the last of two
		"spec.containers[proxy].ports[0]":      {7, 5, "", false},
		"spec.containers[7].name":              {3, 3, "containers", false},
		"spec.nothing.at.all":                  {1, 7, "spec", false},
		"metadata.annotations.example.com/a.b": {11, 22, "example.com/a.b", true},
		"other.containers[app].name":           {4, 11, "name", true},
		"numbers[0][1]":                        {14, 15, "", true},
		"spec.containers.name":                 {3, 3, "containers", false},
	} {
		key, value, exact := yamlpath.Find(&doc, path)
		name := ""
		if key != nil {
			name = key.Value
		}
		if value == nil || value.Line != want.line || value.Column != want.column || name != want.key || exact != want.exact {
			t.Errorf("%s: %+v, key %q, exact %v; want %+v", path, value, name, exact, want)
		}
	}
	if _, value, exact := yamlpath.Find(new(yaml.Node), "a"); value != nil || exact {
		t.Errorf("in nothing: %v", value)
	}
}
