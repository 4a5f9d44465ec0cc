package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// definitionsFile holds what the kinds share; their own files refer to it.
const definitionsFile = "_definitions.json"

type openAPI struct {
	Definitions map[string]map[string]any `json:"definitions"`
}

type groupVersionKind struct {
	Group, Version, Kind string
}

// kubernetesSchemas makes one file for each kind that the document describes,
// and one with all definitions.
func kubernetesSchemas(path string) (map[string]any, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var document openAPI
	if err := json.Unmarshal(text, &document); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(document.Definitions) == 0 {
		return nil, fmt.Errorf("%s: no definitions, want an OpenAPI v2 document", path)
	}
	files := map[string]any{}
	definitions := map[string]any{}
	for name, definition := range document.Definitions {
		for _, gvk := range kindsOf(definition) {
			files[fileName(gvk)] = map[string]any{"$ref": definitionsFile + "#/definitions/" + name}
		}
		definitions[name] = strict(substitute(name, definition))
	}
	files[definitionsFile] = map[string]any{"definitions": definitions}
	return files, nil
}

func kindsOf(definition map[string]any) []groupVersionKind {
	list, _ := definition["x-kubernetes-group-version-kind"].([]any)
	var kinds []groupVersionKind
	for _, entry := range list {
		if m, ok := entry.(map[string]any); ok {
			group, _ := m["group"].(string)
			version, _ := m["version"].(string)
			kind, _ := m["kind"].(string)
			kinds = append(kinds, groupVersionKind{Group: group, Version: version, Kind: kind})
		}
	}
	return kinds
}

// fileName is kubeconform's {{.ResourceKind}}{{.KindSuffix}}: the kind, the
// first part of the group, the version, all in lower case.
func fileName(gvk groupVersionKind) string {
	group, _, _ := strings.Cut(gvk.Group, ".")
	parts := []string{gvk.Kind}
	if group != "" {
		parts = append(parts, group)
	}
	return strings.ToLower(strings.Join(append(parts, gvk.Version), "-")) + ".json"
}

// substitute replaces the definitions that the API server reads more kindly than
// the document says.
func substitute(name string, definition map[string]any) map[string]any {
	switch {
	case strings.HasSuffix(name, ".api.resource.Quantity"):
		return map[string]any{"type": []any{"string", "number"}}
	case strings.HasSuffix(name, ".util.intstr.IntOrString"):
		return map[string]any{"type": []any{"string", "integer"}}
	}
	return definition
}
