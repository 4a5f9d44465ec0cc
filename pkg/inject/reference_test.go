package inject_test

import (
	"fmt"
	"testing"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/conformance"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

// The configurations of the reference injectors are in force, with every set of
// values that their cases have, and nothing is said of their templates for pods.
func TestConfigurationsOfTheReferencesAreInForce(t *testing.T) {
	tried := map[string]bool{}
	for _, kind := range []string{"admission", "manifest"} {
		for _, c := range conformance.Cases(t, kind) {
			key := fmt.Sprint(c.Corpus, c.Config, c.Values, c.Mesh, c.NativeSidecars, c.Platform, c.CompliancePolicy)
			if tried[key] {
				continue
			}
			tried[key] = true
			s, found := inject.Load(t.Context(), c.Sources(t), inject.Options{
				Revision: c.Revision, Platform: c.Platform, CompliancePolicy: c.CompliancePolicy, Cluster: cluster{native: c.NativeSidecars}, OnDefect: defect(t),
			})
			if s == nil || found.Err() != nil {
				t.Errorf("%s, values %s, mesh %s, native %v: %v", c.Config, c.Values, c.Mesh, c.NativeSidecars, found.Err())
			}
			for _, w := range found.Warnings {
				t.Logf("%s, values %s: %s", c.Config, c.Values, w)
			}
		}
	}
	t.Logf("%d configurations", len(tried))
}
