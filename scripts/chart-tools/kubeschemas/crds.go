package main

import (
	"fmt"
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"
)

type definition struct {
	Spec struct {
		Group string `json:"group"`
		Names struct {
			Kind string `json:"kind"`
		} `json:"names"`
		Versions []struct {
			Name   string `json:"name"`
			Schema struct {
				OpenAPIV3Schema map[string]any `json:"openAPIV3Schema"`
			} `json:"schema"`
		} `json:"versions"`
	} `json:"spec"`
}

// crdSchemas makes one file for each version of each definition in the folder.
func crdSchemas(dir string) (map[string]any, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("%s: no custom resource definitions (*.yaml)", dir)
	}
	files := map[string]any{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		var crd definition
		if err := yaml.Unmarshal(text, &crd); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if crd.Spec.Names.Kind == "" || len(crd.Spec.Versions) == 0 {
			return nil, fmt.Errorf("%s: no custom resource definition", path)
		}
		for _, version := range crd.Spec.Versions {
			schema := version.Schema.OpenAPIV3Schema
			if schema == nil {
				return nil, fmt.Errorf("%s: version %s has no schema", path, version.Name)
			}
			gvk := groupVersionKind{Group: crd.Spec.Group, Version: version.Name, Kind: crd.Spec.Names.Kind}
			files[fileName(gvk)] = withMetadata(strict(schema))
		}
	}
	return files, nil
}

// withMetadata describes the metadata, which a definition leaves to the API
// server, as Kubernetes' own objects have it.
func withMetadata(schema map[string]any) map[string]any {
	if properties, ok := schema["properties"].(map[string]any); ok {
		properties["metadata"] = map[string]any{"$ref": definitionsFile + "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
	}
	return schema
}
