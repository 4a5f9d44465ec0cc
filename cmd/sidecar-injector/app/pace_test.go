package app

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestHeadroom(t *testing.T) {
	for live, want := range map[uint64]uint64{
		0:        usualHeadroom,
		6 << 20:  usualHeadroom,
		8 << 20:  usualHeadroom,
		14 << 20: 10 << 20,
		22 << 20: leastHeadroom,
		24 << 20: leastHeadroom,
		1 << 30:  leastHeadroom,
	} {
		if got := headroom(live); got != want {
			t.Errorf("with %d MiB live, %d MiB until the next collection, want %d", live>>20, got>>20, want>>20)
		}
	}
}

// TestPaceCollections has much live, so that the runtime's own rule would double
// the heap.
func TestPaceCollections(t *testing.T) {
	live := make([]byte, 100<<20)
	stop := paceCollections()
	eventually(t, "the goal to be the headroom above what is live", func() bool {
		runtime.GC() // each one sets the pace anew
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		// The heap of other tests may be there, too.
		return m.NextGC > 100<<20 && m.NextGC < 140<<20
	})
	stop()
	runtime.KeepAlive(live)
	if p := debug.SetGCPercent(100); p != 100 {
		t.Errorf("afterwards GOGC is %d, want 100 as before", p)
	}
}
