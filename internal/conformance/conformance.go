// Package conformance reads the corpora of the reference injectors' answers, for
// tests that compare with them. The corpora are not in the repository: the
// environment variable CONFORMANCE names their folder.
package conformance

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
)

// Variable is the environment variable with the corpora's folder.
const Variable = "CONFORMANCE"

// Case is one folder with a case.yaml.
type Case struct {
	// Name is the folder's path below its corpus, for example admission/hello.0.
	Name string `json:"-"`
	// Dir is the folder, Corpus the corpus it belongs to.
	Dir    string `json:"-"`
	Corpus string `json:"-"`

	Config           string `json:"config"`
	Values           string `json:"values"`
	Mesh             string `json:"mesh"`
	NativeSidecars   bool   `json:"nativeSidecars"`
	Revision         string `json:"revision"`
	Namespace        string `json:"namespace"`
	Platform         string `json:"platform"`
	CompliancePolicy string `json:"compliancePolicy"`
	Skipped          bool   `json:"skipped"`
	Error            string `json:"error"`
	ErrorContains    string `json:"errorContains"`
	WarningContains  string `json:"warningContains"`
}

// Cases returns every case below a folder of that name ("admission" or
// "manifest"), of all corpora. Without CONFORMANCE the test is skipped; with it,
// the folder must be there and hold cases.
func Cases(t *testing.T, kind string) []Case {
	t.Helper()
	root := os.Getenv(Variable)
	if root == "" {
		t.Skipf("%s is not set: not compared with the reference", Variable)
	}
	var cases []Case
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "case.yaml" || filepath.Base(filepath.Dir(filepath.Dir(path))) != kind {
			return err
		}
		c := Case{Dir: filepath.Dir(path), Corpus: filepath.Dir(filepath.Dir(filepath.Dir(path)))}
		c.Name = kind + "/" + filepath.Base(c.Dir)
		text, err := os.ReadFile(path)
		if err == nil {
			err = yaml.Unmarshal(text, &c)
		}
		cases = append(cases, c)
		return err
	})
	if err != nil {
		t.Fatalf("%s=%s: %v", Variable, root, err)
	}
	if len(cases) == 0 {
		t.Fatalf("%s=%s: holds no %s cases", Variable, root, kind)
	}
	return cases
}

// Read returns a file of the case's folder; nil when there is none.
func (c *Case) Read(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(c.Dir, name))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return text
}

// Sources returns the case's three files.
func (c *Case) Sources(t testing.TB) config.Sources {
	t.Helper()
	read := func(name string) config.Source {
		if name == "" {
			return config.Source{Name: "(none)"}
		}
		text, err := os.ReadFile(filepath.Join(c.Corpus, name))
		if err != nil {
			t.Fatal(err)
		}
		return config.Source{Name: name, Data: text}
	}
	return config.Sources{Inject: read(c.Config), Mesh: read(c.Mesh), Values: read(c.Values)}
}

// Diff compares two objects as data and returns the difference, or "" for none.
// Empty and absent fields are equal, and so are strings with the same JSON in them.
func Diff(want, got []byte) (string, error) {
	var w, g any
	if err := json.Unmarshal(want, &w); err != nil {
		return "", fmt.Errorf("expected object: %w", err)
	}
	if err := json.Unmarshal(got, &g); err != nil {
		return "", fmt.Errorf("resulting object: %w", err)
	}
	return DiffValues(w, g), nil
}

// DiffValues is Diff for values that have been decoded already.
func DiffValues(want, got any) string {
	w, g := normal(want), normal(got)
	if reflect.DeepEqual(w, g) {
		return ""
	}
	return cmp.Diff(w, g)
}

// normal removes empty values and decodes JSON in strings.
func normal(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			if n := normal(e); n != nil {
				out[k] = n
			}
		}
		if len(out) == 0 {
			return nil
		}
		return out
	case []any:
		out := make([]any, 0, len(v))
		for _, e := range v {
			out = append(out, normal(e))
		}
		if len(out) == 0 {
			return nil
		}
		return out
	case string:
		return normalText(v)
	}
	return v
}

func normalText(s string) any {
	trimmed := strings.TrimSpace(s)
	if !strings.HasPrefix(trimmed, "{") && !strings.HasPrefix(trimmed, "[") {
		if s == "" {
			return nil
		}
		return s
	}
	var v any
	if json.Unmarshal([]byte(trimmed), &v) != nil {
		return s
	}
	return map[string]any{"(json)": normal(v)}
}

// Blames reports whether our error names the same annotation or field as the
// reference's error.
func Blames(reference, ours string) bool {
	if names := regexp.MustCompile(`[a-z0-9.-]*istio\.io/[A-Za-z-]+`).FindAllString(reference, -1); len(names) > 0 {
		for _, n := range names {
			if strings.Contains(ours, n) {
				return true
			}
		}
		return false
	}
	fields := regexp.MustCompile(`[A-Za-z]+(\.[A-Za-z]+)+`).FindAllString(reference, -1)
	for _, f := range fields {
		if last := f[strings.LastIndexByte(f, '.')+1:]; strings.Contains(ours, last) {
			return true
		}
	}
	return false
}
