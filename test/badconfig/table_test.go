//go:build e2e

package badconfig

import (
	"path/filepath"
	"testing"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/lab"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/source"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

// TestTable holds the table against the engine's own judgement, without a cluster:
// every mistake is one, and every good change is none.
func TestTable(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{T: t, lab: &lab.Lab{Root: root}, dir: t.TempDir()}
	ctx := t.Context()
	s.good, err = s.state(ctx, "good-0", baseValues("good-0"))
	if err != nil {
		t.Fatal(err)
	}
	judge := func(o *objects) error {
		if err := source.CheckKeys(o.inject, o.mesh); err != nil {
			return err
		}
		_, findings := inject.Load(ctx, source.FromConfigMaps(o.inject, o.mesh), inject.Options{})
		return findings.Err()
	}
	for _, m := range mistakes() {
		c, err := s.change(ctx, m)
		switch {
		case err != nil:
			t.Errorf("mistake %s: %v", m.name, err)
		case m.stored != "" || c.objects == nil: // half of a pair, or refused by the chart
		case judge(c.objects) == nil:
			t.Errorf("mistake %s: found good", m.name)
		default:
			t.Logf("%s: %v", m.name, judge(c.objects))
		}
	}
	for _, g := range goods() {
		next, err := s.state(ctx, "good-1", baseValues("good-1").with(func(v values) { g.values(v, "good-1") }))
		if err == nil {
			err = judge(next.objects)
		}
		if err != nil {
			t.Errorf("good %s: %v", g.name, err)
		}
	}
}
