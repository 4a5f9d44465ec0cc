package admission_test

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/admission"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/engine"
)

// TestCostIsEnough injects pods of each kind that is large in memory, at the engine's
// bounds and beyond, with the templates of the chart.
func TestCostIsEnough(t *testing.T) {
	setups, err := engine.Setups("../..", "")
	if err != nil {
		t.Fatal(err)
	}
	list := func(n int, item string) string {
		items := make([]string, n)
		for i := range items {
			items[i] = strings.ReplaceAll(item, "#", fmt.Sprint(i))
		}
		return strings.Join(items, ",")
	}
	const app = `"containers":[{"name":"app"}]`
	pod := func(metadata, spec string) string {
		return `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"` + metadata + `},"spec":{` + spec + `}}`
	}
	for _, setup := range setups {
		snapshot, err := setup.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{
			"smallest":               pod("", app),
			"containers":             pod("", `"containers":[`+list(190, `{"name":"c#"}`)+`]`),
			"containers with probes": pod("", `"containers":[`+list(190, `{"name":"c#","livenessProbe":{"httpGet":{"port":80}},"ports":[{"containerPort":80}]}`)+`]`),
			"too many containers":    pod("", `"containers":[`+list(100_000, `{}`)+`]`),
			"init containers":        pod("", `"initContainers":[`+list(190, `{"name":"c#"}`)+`],`+app),
			"volumes":                pod("", `"volumes":[`+list(1900, `{"name":"v#"}`)+`],`+app),
			"too many volumes":       pod("", `"volumes":[`+list(100_000, `{}`)+`],`+app),
			"variables":              pod("", `"containers":[{"name":"app","env":[`+list(19_000, `{"name":"e#"}`)+`]}]`),
			"ports":                  pod("", `"containers":[{"name":"app","ports":[`+list(1900, `{"containerPort":#}`)+`]}]`),
			"tolerations":            pod("", `"tolerations":[`+list(60_000, `{}`)+`],`+app),
			"arguments":              pod("", `"containers":[{"name":"app","args":[`+list(60_000, `""`)+`]}]`),
			"unknown fields":         pod("", `"unknown":{`+list(100_000, `"#":0`)+`},`+app),
			"unknown objects":        pod("", `"unknown":[`+list(60_000, `{"a":{}}`)+`],`+app),
			"labels":                 pod(`,"labels":{`+list(900, `"l#":""`)+`}`, app),
			"annotations":            pod(`,"annotations":{`+list(20_000, `"a#":""`)+`}`, app),
			"one annotation":         pod(`,"annotations":{"a":"`+strings.Repeat("x", 250<<10)+`"}`, app),
			"long text":              pod("", `"containers":[{"name":"app","image":"`+strings.Repeat("x", 3<<20)+`"}]`),
			"escaped text":           pod("", `"containers":[{"name":"app","image":"`+strings.Repeat(`\"<`, 1<<20)+`"}]`),
			"not injected":           pod(`,"labels":{"sidecar.istio.io/inject":"false"}`, `"containers":[`+list(100_000, `{"name":"c#"}`)+`]`),
		} {
			t.Run(setup.Dialect+"/"+name, func(t *testing.T) {
				body := []byte(text)
				r := inject.Request{Object: body, Namespace: "default", Path: "/inject"}
				needed := liveHeap(func() { snapshot.Inject(t.Context(), r) })
				if cost := admission.Cost(body); needed > cost {
					t.Errorf("needed %d KiB, the estimate is %d KiB for %d KiB of text", needed>>10, cost>>10, len(body)>>10)
				}
			})
		}
	}
}

// liveHeap returns by how much the live heap grew at most while do ran, as a
// collector that hardly ever rests sees it.
func liveHeap(do func()) int64 {
	defer debug.SetGCPercent(debug.SetGCPercent(5))
	runtime.GC()
	heap := func() int64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before, most := heap(), int64(0)
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	for {
		select {
		case <-done:
			return most
		case <-time.After(200 * time.Microsecond):
			most = max(most, heap()-before)
		}
	}
}
