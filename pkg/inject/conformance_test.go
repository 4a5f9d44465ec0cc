package inject_test

import (
	"fmt"
	"path/filepath"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/conformance"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

// cluster answers as a case says.
type cluster struct {
	native      bool
	labels      map[string]string
	annotations map[string]string
}

func (c cluster) NativeSidecars(string) bool { return c.native }
func (c cluster) Namespace(string) (map[string]string, map[string]string, bool) {
	return c.labels, c.annotations, true
}

// snapshotOf compiles the configuration of a case.
func snapshotOf(t testing.TB, c *conformance.Case) *inject.Snapshot {
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
		OnDefect: defect(t),
		Revision: c.Revision, Platform: c.Platform, CompliancePolicy: c.CompliancePolicy, Cluster: cl,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	total, good := map[config.Dialect]int{}, map[config.Dialect]int{}
	for _, c := range conformance.Cases(t, "admission") {
		dialect := snapshotOf(t, &c).Dialect()
		total[dialect]++
		if t.Run(filepath.Base(c.Corpus)+"/"+filepath.Base(c.Dir), func(t *testing.T) { conform(t, &c) }) {
			good[dialect]++
		}
	}
	for dialect, n := range total {
		fmt.Printf("conformance: admission %s %d of %d\n", dialect, good[dialect], n)
	}
}

func conform(t *testing.T, c *conformance.Case) {
	object := c.Read(t, "pod.json")
	res := snapshotOf(t, c).Inject(t.Context(), inject.Request{Object: object, Namespace: c.Namespace})
	switch {
	case c.Skipped:
		if res.Decision.Outcome != decide.Skip || res.Patch != nil {
			t.Fatalf("decided %s (%s), want the pod let in unchanged", res.Decision.Code, res.Decision.Message)
		}
		return
	case c.Error != "":
		if res.Decision.Outcome != decide.Refuse || !conformance.Blames(c.Error, res.Decision.Message) {
			t.Fatalf("decided %s (%s), want a refusal like: %s", res.Decision.Code, res.Decision.Message, c.Error)
		}
		return
	}
	if res.Decision.Outcome != decide.Inject {
		t.Fatalf("decided %s (%s), want the pod injected", res.Decision.Code, res.Decision.Message)
	}
	got := applied(t, object, res.Patch)
	diff, err := conformance.Diff(c.Read(t, "expected.json"), got)
	if err != nil {
		t.Fatal(err)
	}
	if diff != "" {
		t.Errorf("differs from the reference (-want +got):\n%s", diff)
	}
}

// applied returns the object after the patch, by a library that is not ours.
func applied(t testing.TB, object, patch []byte) []byte {
	t.Helper()
	if patch == nil {
		return object
	}
	p, err := jsonpatch.DecodePatch(patch)
	if err != nil {
		t.Fatalf("the patch is not one: %v\n%s", err, patch)
	}
	out, err := p.Apply(object)
	if err != nil {
		t.Fatalf("the patch does not apply: %v\n%s", err, patch)
	}
	return out
}
