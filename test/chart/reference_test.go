package chart

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

// referenceCase is a pod and what a reference injector made of it with its own
// template.
type referenceCase struct {
	Values, Mesh, Namespace, Revision, Platform, CompliancePolicy, Error string
	NativeSidecars, Skipped                                              bool
}

// The built-in template is text of our own, and gives the pods that the current
// reference's template gives: same containers, flags, environment, volumes.
func TestBuiltInTemplateGivesWhatTheReferenceGives(t *testing.T) {
	root := os.Getenv("CONFORMANCE")
	if root == "" {
		t.Skip("CONFORMANCE names no folder with reference cases")
	}
	root = filepath.Join(root, "istio-current")
	cases, err := os.ReadDir(filepath.Join(root, "admission"))
	if err != nil {
		t.Fatal(err)
	}
	template := configMap(t, install{}.render(t), "/etc/istio/inject")["config"]
	compared := 0
	for _, entry := range cases {
		folder := filepath.Join(root, "admission", entry.Name())
		var c referenceCase
		if err := yaml.Unmarshal(read(t, filepath.Join(folder, "case.yaml")), &c); err != nil {
			t.Fatal(err)
		}
		pod := read(t, filepath.Join(folder, "pod.json"))
		if c.Skipped || c.Error != "" || c.Platform != "" || otherTemplate(t, pod) {
			continue
		}
		compared++
		t.Run(entry.Name(), func(t *testing.T) {
			parsed, err := config.Parse(config.Sources{
				Inject: config.Source{Name: "config", Data: []byte(template)},
				Values: config.Source{Name: c.Values, Data: read(t, filepath.Join(root, c.Values))},
				Mesh:   config.Source{Name: c.Mesh, Data: read(t, filepath.Join(root, c.Mesh))},
			})
			if err != nil {
				t.Fatal(err)
			}
			snapshot, err := inject.Compile(parsed, inject.Options{Revision: c.Revision, CompliancePolicy: c.CompliancePolicy, Cluster: cluster{c.NativeSidecars}})
			if err != nil {
				t.Fatal(err)
			}
			result := snapshot.Inject(t.Context(), inject.Request{Object: pod, Namespace: c.Namespace})
			patch, err := jsonpatch.DecodePatch(result.Patch)
			if err != nil {
				t.Fatalf("%v (%s)", err, result.Decision.Message)
			}
			got, err := patch.Apply(pod)
			if err != nil {
				t.Fatal(err)
			}
			if difference := cmp.Diff(asData(t, read(t, filepath.Join(folder, "expected.json"))), asData(t, got)); difference != "" {
				t.Errorf("-reference +ours\n%s", difference)
			}
		})
	}
	if compared == 0 {
		t.Fatalf("%s: no case to compare", root)
	}
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("CONFORMANCE: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// otherTemplate says whether the pod asks for templates that the chart has not.
func otherTemplate(t testing.TB, pod []byte) bool {
	t.Helper()
	var meta struct {
		Metadata struct{ Annotations map[string]string }
	}
	if err := json.Unmarshal(pod, &meta); err != nil {
		t.Fatal(err)
	}
	asked, ok := meta.Metadata.Annotations["inject.istio.io/templates"]
	return ok && asked != "sidecar"
}

// asData decodes a pod for comparison as data: JSON held in strings is
// decoded too, and empty is the same as absent.
func asData(t testing.TB, pod []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(pod, &v); err != nil {
		t.Fatal(err)
	}
	return simplify(v)
}

func simplify(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			value = simplify(value)
			if m, isMap := value.(map[string]any); value == nil || isMap && len(m) == 0 {
				delete(v, key)
				continue
			}
			v[key] = value
		}
		return v
	case []any:
		for i := range v {
			v[i] = simplify(v[i])
		}
		return v
	case string:
		var held any
		if s := strings.TrimSpace(v); (strings.HasPrefix(s, "{") || strings.HasPrefix(s, "[")) && json.Unmarshal([]byte(s), &held) == nil {
			return simplify(held)
		}
	}
	return v
}
