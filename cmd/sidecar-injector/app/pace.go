package app

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
)

// How much may be allocated from one garbage collection to the next, in bytes.
//
// Go's own rule, as much again as is live, fits neither end of what happens
// here: idle, 6 MiB are live, and a busy server would collect every hundred
// requests; with a thousand requests open, 40 MiB are, and twice that would be
// resident.
const (
	// usualHeadroom is for all days.
	usualHeadroom = 16 << 20
	// leastHeadroom is for when much is live, where memory counts more than time.
	leastHeadroom = 3 << 20
	// budget is for what is live and the headroom together, as long as the
	// headroom is not the least.
	budget = 24 << 20
)

// headroom returns how much may be allocated until the next collection, when so
// many bytes are live.
func headroom(live uint64) uint64 {
	if live >= budget {
		return leastHeadroom
	}
	return min(max(budget-live, leastHeadroom), usualHeadroom)
}

// paceCollections makes the runtime leave headroom from each collection to the
// next, until the returned function is called, which brings Go's own rule back.
// The memory limit counts as before: near it, the runtime collects more often.
func paceCollections() (stop func()) {
	var stopped atomic.Bool
	// A finalizer runs after each collection that finds its object unused.
	type lookout struct{ _ *int }
	var collected func(*lookout)
	collected = func(l *lookout) {
		if stopped.Load() {
			return
		}
		debug.SetGCPercent(gcPercent(liveMemory()))
		runtime.SetFinalizer(l, collected)
	}
	collected(new(lookout))
	return func() {
		stopped.Store(true)
		debug.SetGCPercent(100)
	}
}

// memory is what the runtime found at its last collection, in bytes: what the
// heap holds, and what it looked through besides.
type memory struct{ heap, besides uint64 }

func liveMemory() memory {
	found := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"}}
	metrics.Read(found)
	return memory{found[0].Value.Uint64(), found[1].Value.Uint64() + found[2].Value.Uint64()}
}

// gcPercent is the GOGC by which the next collection comes after the headroom: the
// runtime takes it of everything that it looks through.
func gcPercent(m memory) int {
	return int(100 * headroom(m.heap) / max(m.heap+m.besides, 1<<20))
}
