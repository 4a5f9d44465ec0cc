package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"
)

// checkFiles says everything that the schema has against the files. A schema
// that is itself no schema is an error too.
func checkFiles(schemaFile string, files []string) error {
	schema, err := jsonschema.NewCompiler().Compile(schemaFile)
	if err != nil {
		return fmt.Errorf("schema %s: %w", schemaFile, err)
	}
	var problems []error
	for _, file := range files {
		document, err := readDocument(file)
		if err == nil {
			err = schema.Validate(document)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", file, err))
		}
	}
	return errors.Join(problems...)
}

// readDocument reads YAML, of which JSON is a part, into what a schema checks. A
// file of comments alone is an empty object, as it is for Helm.
func readDocument(file string) (any, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var document any
	if err := yaml.UnmarshalStrict(content, &document); err != nil {
		return nil, err
	}
	if document == nil {
		document = map[string]any{}
	}
	return document, nil
}
