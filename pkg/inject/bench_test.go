package inject_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/conformance"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

// BenchmarkInject injects the pod of the laws' first seed under our own
// configurations; with CONFORMANCE set, also under the reference's.
func BenchmarkInject(b *testing.B) {
	for name, s := range lawSnapshots(b) {
		g := newGenerator(0)
		object := g.object(b, g.pod())
		b.Run(name, func(b *testing.B) { run(b, s, object) })
	}
	root := os.Getenv(conformance.Variable)
	if root == "" {
		return
	}
	c := referenceCase(root)
	b.Run("reference", func(b *testing.B) { run(b, snapshotOf(b, c), c.Read(b, "pod.json")) })
}

// referenceCase is a usual pod under the reference's configuration.
func referenceCase(root string) *conformance.Case {
	return &conformance.Case{
		Corpus: filepath.Join(root, "istio-current"), Dir: filepath.Join(root, "istio-current", "admission", "hello.0"),
		Config: "configs/d521712c.yaml", Values: "values/531e24e5.json", Mesh: "meshes/02fcb017.yaml", NativeSidecars: true,
	}
}

func run(b *testing.B, s *inject.Snapshot, object []byte) {
	b.ReportAllocs()
	for b.Loop() {
		if res := s.Inject(b.Context(), inject.Request{Object: object, Namespace: "shop"}); res.Err != nil {
			b.Fatal(res.Err)
		}
	}
}
