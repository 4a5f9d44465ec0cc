package inject

import (
	"crypto/sha256"
	"sync/atomic"
)

// parseCache remembers what rendered texts parse to: the replicas of a workload
// render the same text, and parsing it costs more than all the rest. It has a fixed
// number of slots, each with the text that came last, so it needs no lock and its
// size is bounded: what a text parses to takes some ten times the memory of the
// text, about 100 KiB. The values are shared, and nobody may write to them.
type parseCache[T any] struct {
	slots [64]atomic.Pointer[parsed[T]]
}

type parsed[T any] struct {
	sum   [sha256.Size]byte
	value T
}

// get returns what a text parses to. The text is not kept.
func (c *parseCache[T]) get(text []byte, parse func([]byte) (T, error)) (T, error) {
	sum := sha256.Sum256(text)
	slot := &c.slots[int(sum[0])%len(c.slots)]
	if p := slot.Load(); p != nil && p.sum == sum {
		return p.value, nil
	}
	value, err := parse(text)
	if err == nil {
		slot.Store(&parsed[T]{sum, value})
	}
	return value, err
}
