package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

const usage = `usage: kubeschemas --swagger FILE [--crds DIR] --out DIR

Writes DIR/kind[-group]-version.json for every kind of the OpenAPI document and
of the custom resource definitions. Unknown fields and nulls are not valid.
`

// run returns the exit status: 0 written, 1 something could not be read or
// written, 2 usage.
func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("kubeschemas", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { fmt.Fprint(stderr, usage) }
	swagger := flags.String("swagger", "", "OpenAPI v2 document")
	crds := flags.String("crds", "", "folder of custom resource definitions")
	out := flags.String("out", "", "folder to write")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if *swagger == "" || *out == "" || flags.NArg() != 0 {
		fmt.Fprint(stderr, usage)
		return 2
	}
	files, err := kubernetesSchemas(*swagger)
	if err == nil && *crds != "" {
		var more map[string]any
		more, err = crdSchemas(*crds)
		maps.Copy(files, more)
	}
	if err == nil {
		err = writeAll(*out, files)
	}
	if err != nil {
		fmt.Fprintf(stderr, "kubeschemas: %v\n", err)
		return 1
	}
	fmt.Fprintf(stdout, "schemas  %s: %d files\n", *out, len(files))
	return 0
}

func writeAll(dir string, files map[string]any) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		text, err := json.Marshal(files[name])
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
