package inject_test

import (
	"runtime"
	"testing"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

// allocated returns how many bytes a call allocates, garbage included.
func allocated(do func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

func TestMemoryFor(t *testing.T) {
	for dialect, s := range lawSnapshots(t) {
		for name, text := range worst() {
			object := []byte(text)
			var res inject.Result
			got := allocated(func() { res = s.Inject(t.Context(), inject.Request{Object: object, Namespace: "shop"}) })
			most := inject.MemoryFor(object)
			t.Logf("%-16s %-34s %8d bytes of JSON, %7d KiB allocated of %7d, %4d for each byte: %s", dialect, name, len(object), got>>10, most>>10, got/int64(len(object)), res.Decision.Code)
			if got > most {
				t.Errorf("%s, %s: %d bytes of JSON take %d KiB, MemoryFor says %d", dialect, name, len(object), got>>10, most>>10)
			}
		}
	}
}
