package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const swaggerText = `{"definitions": {
  "io.k8s.api.apps.v1.Thing": {
    "type": "object",
    "description": "left out",
    "properties": {
      "spec": {"$ref": "#/definitions/io.k8s.api.apps.v1.ThingSpec"},
      "size": {"$ref": "#/definitions/io.k8s.apimachinery.pkg.api.resource.Quantity"},
      "description": {"type": "string"}
    },
    "x-kubernetes-group-version-kind": [{"group": "apps.example.com", "kind": "Thing", "version": "v1"}]
  },
  "io.k8s.api.apps.v1.ThingSpec": {
    "type": "object",
    "properties": {"labels": {"type": "object", "additionalProperties": {"type": "string"}}}
  },
  "io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": "string"},
  "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta": {"type": "object", "properties": {"name": {"type": "string"}}}
}}`

const crdText = `
spec:
  group: example.com
  names: {kind: Gadget}
  versions:
  - name: v1
    schema:
      openAPIV3Schema:
        type: object
        properties:
          metadata: {type: object}
          spec:
            type: object
            properties:
              free: {type: object, x-kubernetes-preserve-unknown-fields: true, properties: {a: {type: string}}}
              port: {x-kubernetes-int-or-string: true}
`

func TestSchemas(t *testing.T) {
	dir := t.TempDir()
	swagger, crds, out := filepath.Join(dir, "swagger.json"), filepath.Join(dir, "crds"), filepath.Join(dir, "out")
	write(t, swagger, swaggerText)
	write(t, filepath.Join(crds, "gadget.yaml"), crdText)
	var wrong bytes.Buffer
	if code := run([]string{"--swagger", swagger, "--crds", crds, "--out", out}, io.Discard, &wrong); code != 0 {
		t.Fatalf("exit %d: %s", code, wrong.String())
	}
	if got := text(t, out, "thing-apps-v1.json"); got != `{"$ref":"_definitions.json#/definitions/io.k8s.api.apps.v1.Thing"}` {
		t.Errorf("thing-apps-v1.json is %s", got)
	}
	var file struct {
		Definitions map[string]map[string]any `json:"definitions"`
	}
	if err := json.Unmarshal([]byte(text(t, out, definitionsFile)), &file); err != nil {
		t.Fatal(err)
	}
	thing := file.Definitions["io.k8s.api.apps.v1.Thing"]
	properties := thing["properties"].(map[string]any)
	if thing["additionalProperties"] != false || thing["description"] != nil {
		t.Errorf("the kind is not closed, or still described: %v", thing)
	}
	if properties["description"] == nil {
		t.Error("the property called description was taken for a description")
	}
	labels := file.Definitions["io.k8s.api.apps.v1.ThingSpec"]["properties"].(map[string]any)["labels"].(map[string]any)
	if labels["additionalProperties"] == false {
		t.Error("a free map was closed")
	}
	gadget := text(t, out, "gadget-example-v1.json")
	for _, want := range []string{
		`"free":{"properties":{"a":{"type":"string"}},"type":"object","x-kubernetes-preserve-unknown-fields":true}`,
		`"port":{"type":["string","number"],"x-kubernetes-int-or-string":true}`,
		`"metadata":{"$ref":"_definitions.json#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}`,
	} {
		if !strings.Contains(gadget, want) {
			t.Errorf("gadget-example-v1.json holds no %s:\n%s", want, gadget)
		}
	}
}

func TestRunSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	good, bad, empty := filepath.Join(dir, "good"), filepath.Join(dir, "bad"), filepath.Join(dir, "empty")
	write(t, good, swaggerText)
	write(t, bad, "{")
	write(t, empty, "{}")
	write(t, filepath.Join(dir, "crds", "x.yaml"), "kind: ConfigMap\n")
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"nothing", nil, 2, "usage"},
		{"no out", []string{"--swagger", good}, 2, "usage"},
		{"no file", []string{"--swagger", "nowhere", "--out", dir}, 1, "nowhere"},
		{"no JSON", []string{"--swagger", bad, "--out", dir}, 1, bad},
		{"no definitions", []string{"--swagger", empty, "--out", dir}, 1, "no definitions"},
		{"no CRD", []string{"--swagger", good, "--crds", filepath.Join(dir, "crds"), "--out", dir}, 1, "x.yaml: no custom resource definition"},
		{"no CRDs", []string{"--swagger", good, "--crds", filepath.Join(dir, "none"), "--out", dir}, 1, "no custom resource definitions"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var wrong bytes.Buffer
			if code := run(c.args, io.Discard, &wrong); code != c.code || !strings.Contains(wrong.String(), c.want) {
				t.Errorf("exit %d, said %q; want %d and %q", code, wrong.String(), c.code, c.want)
			}
		})
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func text(t *testing.T, dir, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
