package inject_test

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

// fuzzedSnapshots are those of the laws, in an order that an input can name.
func fuzzedSnapshots(f *testing.F) []*inject.Snapshot {
	f.Helper()
	all := lawSnapshots(f)
	var out []*inject.Snapshot
	for _, name := range slices.Sorted(maps.Keys(all)) {
		out = append(out, all[name])
	}
	return out
}

// Whatever is sent: no panic, an answer, and a patch that applies. One
// configuration for each execution: the same pod comes again with another.
func FuzzInject(f *testing.F) {
	snapshots := fuzzedSnapshots(f)
	for i := range snapshots {
		g := newGenerator(uint64(i))
		f.Add(g.object(f, g.pod()), "/inject/cluster/a", uint8(i))
		f.Add([]byte(forgedPod), "/inject/:ENV:a=b", uint8(i))
	}
	f.Fuzz(func(t *testing.T, in []byte, path string, configuration uint8) {
		s := snapshots[int(configuration)%len(snapshots)]
		res := s.Inject(t.Context(), inject.Request{Object: in, Path: path, Namespace: "shop"})
		if res.Decision.Code == "" || res.Decision.Code == decide.Internal {
			t.Fatalf("%+v", res.Decision)
		}
		if res.Decision.Outcome == decide.Inject {
			applied(t, in, res.Patch)
		}
	})
}

// Whatever is taken back: no panic.
func FuzzUninject(f *testing.F) {
	snapshots := fuzzedSnapshots(f)
	for i, s := range snapshots {
		g := newGenerator(uint64(i))
		object := g.object(f, g.pod())
		res := s.Inject(f.Context(), inject.Request{Object: object, Namespace: "shop"})
		f.Add(applied(f, object, res.Patch), uint8(i))
		f.Add([]byte(forgedPod), uint8(i))
	}
	f.Fuzz(func(t *testing.T, in []byte, configuration uint8) {
		var p *inject.PanicError
		if _, err := snapshots[int(configuration)%len(snapshots)].Uninject(t.Context(), in); errors.As(err, &p) {
			t.Fatal(err)
		}
	})
}

// forgedPod says of itself that it was injected, and overrides what was.
const forgedPod = `{"metadata":{"annotations":{"sidecar.istio.io/status":"{\"containers\":[\"istio-proxy\"]}",` +
	`"proxy.istio.io/overrides":"{\"containers\":[{\"name\":\"istio-proxy\"}]}"}},"spec":{"containers":[{"name":"istio-proxy"},{"name":"istio-proxy"},{}]}}`
