package inject_test

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/conformance"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

// Pods of many workloads with large proxy configurations leave little behind: what
// their templates parse to is not kept.
func TestLargeOverlaysAreNotKept(t *testing.T) {
	s := of(t, sidecar("metadata:\n  labels: {a: b}\nspec:\n  containers:\n  - name: istio-proxy\n    image: i\n    env:\n    {{- range $k, $v := .ProxyConfig.ProxyMetadata }}\n    - {name: {{ $k }}, value: {{ $v | quote }}}\n    {{- end }}"), "", "", inject.Options{})
	live := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := live()
	for i := range 96 {
		var pc strings.Builder
		fmt.Fprintf(&pc, "proxyMetadata:\n  WORKLOAD: w%d\n", i)
		for k := range 1_900 {
			fmt.Fprintf(&pc, "  KEY_%d: some value\n", k)
		}
		res := s.Inject(t.Context(), inject.Request{Object: object(t, app(map[string]string{"proxy.istio.io/config": pc.String()}))})
		if res.Decision.Outcome != decide.Inject {
			t.Fatal(res.Decision.Message)
		}
	}
	const most = 24 << 20
	if after := live(); after > before+most {
		t.Errorf("%d MiB are kept, at most %d may be", (after-before)>>20, most>>20)
	}
	runtime.KeepAlive(s)
}

// What usual templates parse to is kept, and far from being too large.
func TestUsualOverlaysAreKept(t *testing.T) {
	snapshots := lawSnapshots(t)
	if root := os.Getenv(conformance.Variable); root != "" {
		snapshots["reference"] = snapshotOf(t, referenceCase(root))
	}
	for name, s := range snapshots {
		s.Inject(t.Context(), inject.Request{Object: object(t, app(nil)), Namespace: "shop"})
		sizes := s.Kept()
		t.Log(name, sizes)
		if len(sizes) == 0 || slices.Max(sizes) > 192<<10 {
			t.Errorf("%s: values of %v bytes are kept", name, sizes)
		}
	}
}
