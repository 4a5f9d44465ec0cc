// Package arch holds the project's architecture as tests: who may import whom,
// what each program may link, and that ARCHITECTURE.md and the packages' docs say
// so.
package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"strings"
	"testing"
)

const module = "github.com/sidecar-injector/istio-sidecar-injector/"

// root is the repository's, from this package.
const root = "../.."

type listed struct {
	ImportPath   string // below the module
	Dir          string
	GoFiles      []string
	TestGoFiles  []string
	XTestGoFiles []string
	Imports      []string
	Deps         []string
}

// list asks the go command about packages.
func list(t *testing.T, patterns ...string) []listed {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-e", "-json=ImportPath,Dir,GoFiles,TestGoFiles,XTestGoFiles,Imports,Deps"}, patterns...)...)
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var all []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		p.ImportPath = strings.TrimPrefix(p.ImportPath, module)
		all = append(all, p)
	}
}

// within reports whether an import path is above or below it. An above that ends
// in a space means that package alone.
func within(importPath, above string) bool {
	if alone, ok := strings.CutSuffix(above, " "); ok {
		return importPath == alone
	}
	rest, ok := strings.CutPrefix(importPath, above)
	return ok && (rest == "" || rest[0] == '/')
}

// placeOf returns the package of mayImport that a package is or lies below, or "".
func placeOf(importPath string) string {
	for p := importPath; p != "."; p = path.Dir(p) {
		if _, ok := mayImport[p]; ok {
			return p
		}
	}
	return ""
}
