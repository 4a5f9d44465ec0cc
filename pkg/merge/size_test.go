package merge_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/merge"
)

// What an overlay says of its size is about what it takes.
func TestSize(t *testing.T) {
	for name, line := range map[string]string{
		"variables":      "    - {name: VARIABLE_%d, value: some value}\n",
		"empty":          "    - {name: A%d}\n",
		"from the pod":   "    - {name: A%d, valueFrom: {fieldRef: {fieldPath: metadata.name}}}\n",
		"unknown fields": "    - {name: A%d, unknown: {a: b}}\n",
	} {
		var text strings.Builder
		text.WriteString("spec:\n  containers:\n  - name: istio-proxy\n    env:\n")
		for i := range 5_000 {
			fmt.Fprintf(&text, line, i)
		}
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		o, err := merge.ParseOverlay(context.Background(), []byte(text.String()))
		if err != nil {
			t.Fatal(err)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		takes, says := int(after.HeapAlloc-before.HeapAlloc), o.Size()
		t.Logf("%s: %d bytes of text take %d, Size says %d", name, text.Len(), takes, says)
		if says < takes/2 || says > 2*takes {
			t.Errorf("%s: %d bytes of text take %d, Size says %d", name, text.Len(), takes, says)
		}
	}
}
