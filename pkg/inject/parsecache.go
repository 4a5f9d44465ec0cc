package inject

import (
	"context"
	"crypto/sha256"
	"sync/atomic"
)

// parseCache remembers what rendered texts parse to: the replicas of a workload
// render the same text, and parsing it costs more than all the rest. It has a fixed
// number of slots, each with the text that came last, so it needs no lock. The values
// are shared, and nobody may write to them.
//
// What is large is not kept: a pod's author can make it so, and the replicas of such
// a pod are parsed each. So all slots together hold at most cacheSlots*maxKept, 16 MiB,
// a sixteenth of the container's memory as the chart has it.
type parseCache[T sized] struct {
	slots [cacheSlots]atomic.Pointer[parsed[T]]
}

const (
	// cacheSlots is how many texts are remembered: workloads whose pods start at the
	// same time.
	cacheSlots = 64
	// maxKept is the memory that one value may take, in bytes. The overlays of the
	// templates in the field take about 100 KiB.
	maxKept = 256 << 10
)

// sized is a value that knows how much memory it takes, in bytes.
type sized interface{ Size() int }

type parsed[T any] struct {
	sum   [sha256.Size]byte
	value T
}

// get returns what a text parses to. The text is not kept.
func (c *parseCache[T]) get(ctx context.Context, text []byte, parse func(context.Context, []byte) (T, error)) (T, error) {
	sum := sha256.Sum256(text)
	slot := &c.slots[int(sum[0])%len(c.slots)]
	if p := slot.Load(); p != nil && p.sum == sum {
		return p.value, nil
	}
	value, err := parse(ctx, text)
	if err == nil && value.Size() <= maxKept {
		slot.Store(&parsed[T]{sum, value})
	}
	return value, err
}
