package workload_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	yamlv3 "go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/conformance"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/workload"
)

type cluster struct {
	native      bool
	annotations map[string]string
}

func (c cluster) NativeSidecars(string) bool { return c.native }
func (c cluster) Namespace(string) (map[string]string, map[string]string, bool) {
	return nil, c.annotations, true
}

// snapshotOf compiles the configuration of a case.
func snapshotOf(t *testing.T, c *conformance.Case) *inject.Snapshot {
	t.Helper()
	cfg, err := config.Parse(c.Sources(t))
	if err != nil {
		t.Fatal(err)
	}
	cl := cluster{native: c.NativeSidecars}
	if c.Platform == inject.PlatformOpenShift {
		cl.annotations = map[string]string{
			"openshift.io/sa.scc.uid-range":           "1000620000/10000",
			"openshift.io/sa.scc.supplemental-groups": "1000620000/10000",
		}
	}
	s, err := inject.Compile(cfg, inject.Options{
		Revision: c.Revision, Platform: c.Platform, CompliancePolicy: c.CompliancePolicy, Cluster: cl,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	total, good := 0, 0
	for _, c := range conformance.Cases(t, "manifest") {
		total++
		if t.Run(filepath.Base(c.Corpus)+"/"+filepath.Base(c.Dir), func(t *testing.T) { conform(t, &c) }) {
			good++
		}
	}
	fmt.Printf("conformance: manifest %d of %d\n", good, total)
}

func conform(t *testing.T, c *conformance.Case) {
	var out bytes.Buffer
	reports, err := workload.Inject(t.Context(), snapshotOf(t, c), bytes.NewReader(c.Read(t, "input.yaml")), &out, workload.Options{Namespace: c.Namespace})
	if c.ErrorContains != "" {
		if err == nil || !strings.Contains(strings.ToLower(err.Error()), c.ErrorContains) {
			t.Fatalf("error %v, must contain %q", err, c.ErrorContains)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	var warnings []string
	for _, r := range reports {
		warnings = append(warnings, r.Warnings...)
	}
	if !strings.Contains(strings.Join(warnings, "\n"), c.WarningContains) {
		t.Errorf("warnings %q, must contain %q", warnings, c.WarningContains)
	}
	input := documents(t, c.Read(t, "input.yaml"))
	want, got := documents(t, c.Read(t, "expected.yaml")), documents(t, out.Bytes())
	if len(want) != len(got) || len(input) != len(got) {
		t.Fatalf("%d documents of %d, want %d", len(got), len(input), len(want))
	}
	for i := range want {
		compare(t, input[i], want[i], got[i])
	}
}

// compare holds an injected manifest against the reference's: the pods of it must
// be the same. Around them the reference writes the defaults of its Go types,
// zeros and empty status, and drops what these do not know; there the manifest
// must be what it was, and the reference's but for zeros.
func compare(t *testing.T, input, want, got any) {
	t.Helper()
	if items, ok := get(want, "items").([]any); ok {
		in, is := get(input, "items").([]any), get(got, "items").([]any)
		if len(in) != len(items) || len(is) != len(items) {
			t.Fatalf("%d items, want %d", len(is), len(items))
		}
		for i := range items {
			compare(t, in[i], items[i], is[i])
		}
		return
	}
	for _, path := range [][]string{nil, {"spec", "template"}, {"spec", "jobTemplate", "spec", "template"}, {"spec", "jobTemplate"}} {
		in, w, g := get(input, path...), get(want, path...), get(got, path...)
		for _, part := range []string{"metadata", "spec"} {
			if part == "metadata" && len(path) == 0 && get(want, "kind") != "Pod" || part == "spec" && !holdsPod(w) {
				continue
			}
			if diff := conformance.DiffValues(canonical(get(w, part)), canonical(get(g, part))); diff != "" {
				t.Errorf("%v %s differs from the reference (-want +got):\n%s", path, part, diff)
			}
			for _, object := range []any{in, w, g} {
				if o, ok := object.(map[string]any); ok {
					delete(o, part)
				}
			}
		}
	}
	if diff := conformance.DiffValues(input, got); diff != "" {
		t.Errorf("changed outside of the pod (-input +got):\n%s", diff)
	}
	if diff := conformance.DiffValues(withoutZeros(want), withoutZeros(got)); diff != "" {
		t.Errorf("differs from the reference outside of the pod (-want +got):\n%s", diff)
	}
}

func get(v any, path ...string) any {
	for _, key := range path {
		m, _ := v.(map[string]any)
		v = m[key]
	}
	return v
}

func holdsPod(v any) bool {
	_, ok := get(v, "spec", "containers").([]any)
	return ok
}

// canonical spells quantities as Go does.
func canonical(v any) any {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			canonical(item)
		}
	case map[string]any:
		for key, value := range v {
			m, ok := value.(map[string]any)
			if ok && (key == "limits" || key == "requests") {
				for name, q := range m {
					if parsed, err := resource.ParseQuantity(fmt.Sprint(q)); err == nil {
						m[name] = parsed.String()
					}
				}
			}
			canonical(value)
		}
	}
	return v
}

func withoutZeros(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = withoutZeros(v[i])
		}
	case map[string]any:
		for key := range v {
			switch v[key] = withoutZeros(v[key]); v[key] {
			case 0.0, false, nil, "":
				delete(v, key)
			}
		}
	}
	return v
}

// documents reads a stream as data, by a library of its own, empty ones left out.
func documents(t *testing.T, stream []byte) []any {
	t.Helper()
	var all []any
	for d := yamlv3.NewDecoder(bytes.NewReader(stream)); ; {
		var v any
		err := d.Decode(&v)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, stream)
		}
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var data any
		if err := json.Unmarshal(text, &data); err != nil {
			t.Fatal(err)
		}
		if data != nil {
			all = append(all, data)
		}
	}
}
