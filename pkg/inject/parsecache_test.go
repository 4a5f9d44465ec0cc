package inject

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
)

// value takes as much memory as it says.
type value []byte

func (v value) Size() int { return len(v) }

func TestParseCache(t *testing.T) {
	var c parseCache[value]
	parsed := 0
	parse := func(size int) func(context.Context, []byte) (value, error) {
		return func(context.Context, []byte) (value, error) {
			parsed++
			return make(value, size), nil
		}
	}
	get := func(text string, size int) {
		t.Helper()
		if v, err := c.get(t.Context(), []byte(text), parse(size)); err != nil || len(v) != size {
			t.Fatalf("%d bytes, %v", len(v), err)
		}
	}
	get("a", maxKept)
	get("a", maxKept)
	if parsed != 1 {
		t.Errorf("what may be kept was parsed %d times", parsed)
	}
	get("large", maxKept+1)
	get("large", maxKept+1)
	if parsed != 3 {
		t.Errorf("what is too large was parsed %d times, of which one before", parsed)
	}
	failed := errors.New("not readable")
	if _, err := c.get(t.Context(), []byte("b"), func(context.Context, []byte) (value, error) { return nil, failed }); !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
}

// However many texts there are, and however large, the cache is bounded in bytes.
func TestParseCacheIsBounded(t *testing.T) {
	const texts, bound = 2_000, cacheSlots * maxKept
	var c parseCache[value]
	for i := range texts {
		size := maxKept / 2 * (1 + i%4)
		if _, err := c.get(t.Context(), fmt.Append(nil, i), func(context.Context, []byte) (value, error) { return make(value, size), nil }); err != nil {
			t.Fatal(err)
		}
	}
	sum := 0
	for i := range c.slots {
		if p := c.slots[i].Load(); p != nil {
			sum += len(p.value)
		}
	}
	if sum > bound || sum < bound/4 {
		t.Errorf("%d bytes are kept, at most %d may be", sum, bound)
	}
	runtime.KeepAlive(&c)
}
