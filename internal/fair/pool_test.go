package fair

import (
	"slices"
	"testing"
)

// holdings takes n holdings of 1 for a peer and notes in evicted which are withdrawn.
func holdings(t *testing.T, p *Pool, peer string, n int, s State, evicted *[]string) []*Holding {
	t.Helper()
	list := make([]*Holding, n)
	for i := range list {
		if list[i] = p.Take(peer, 1, s, func() { *evicted = append(*evicted, peer) }); list[i] == nil {
			t.Fatalf("%s got %d of %d", peer, i, n)
		}
	}
	return list
}

func TestALonePeerMayHoldAll(t *testing.T) {
	var evicted []string
	p := NewPool(8)
	all := holdings(t, p, "proxy", 8, Busy, &evicted)
	if p.Take("proxy", 1, Busy, func() {}) != nil {
		t.Error("the ninth of eight was given")
	}
	all[0].Release()
	all[0].Release() // counts once
	if p.Used() != 7 || p.Take("proxy", 1, Busy, func() {}) == nil {
		t.Errorf("%d are held; what was given back is not to be had", p.Used())
	}
	if len(evicted) != 0 {
		t.Errorf("withdrawn from %v, for nobody", evicted)
	}
}

func TestOnePeerCannotKeepOthersOut(t *testing.T) {
	var evicted []string
	p := NewPool(8)
	holdings(t, p, "greedy", 8, Busy, &evicted)
	holdings(t, p, "b", 4, Busy, &evicted)
	if want := []string{"greedy", "greedy", "greedy", "greedy"}; !slices.Equal(evicted, want) {
		t.Fatalf("withdrawn from %v, want %v", evicted, want)
	}
	// Both hold their half now: neither gets more from the other.
	for _, peer := range []string{"greedy", "b"} {
		if p.Take(peer, 1, Busy, func() {}) != nil {
			t.Errorf("%s got more than half", peer)
		}
	}
	// A third one gets a share of both.
	holdings(t, p, "c", 2, Busy, &evicted)
	if p.Used() != 8 || len(evicted) != 6 || evicted[4] == evicted[5] {
		t.Errorf("%d held, withdrawn from %v", p.Used(), evicted)
	}
}

func TestIdleHoldingsYieldFirst(t *testing.T) {
	var evicted []string
	p := NewPool(4)
	busy := p.Take("a", 1, Busy, func() { evicted = append(evicted, "busy") })
	first := p.Take("a", 1, Idle, func() { evicted = append(evicted, "first") })
	p.Take("a", 1, Idle, func() { evicted = append(evicted, "second") })
	p.Take("a", 1, Fixed, func() { evicted = append(evicted, "fixed") })
	// It has served somebody in between, so it is not the oldest any more.
	first.Mark(Busy)
	first.Mark(Idle)
	for range 2 { // for itself
		if p.Take("a", 1, Busy, func() { evicted = append(evicted, "later") }) == nil {
			t.Fatal("idle holdings were not withdrawn for what is needed")
		}
	}
	if want := []string{"second", "first"}; !slices.Equal(evicted, want) {
		t.Errorf("withdrawn: %v, want %v", evicted, want)
	}
	if p.Take("b", 1, Busy, func() {}) == nil || evicted[2] != "busy" {
		t.Errorf("withdrawn: %v, want the oldest that is busy next", evicted)
	}
	busy.Release() // of what was withdrawn already
	if p.Used() != 4 {
		t.Errorf("%d are held, want 4", p.Used())
	}
}

// Of peers with one idle holding each, any may go for a newcomer, who would
// otherwise never get in.
func TestIdleHoldingsYieldToEquals(t *testing.T) {
	p := NewPool(2)
	gone := ""
	p.Take("a", 1, Idle, func() { gone += "a" })
	p.Take("b", 1, Busy, func() { gone += "b" })
	if p.Take("c", 1, Idle, func() {}) == nil || gone != "a" {
		t.Errorf("withdrawn: %q, want a", gone)
	}
}

func TestFixedHoldingsStay(t *testing.T) {
	p := NewPool(2)
	p.Take("a", 2, Fixed, func() { t.Error("withdrawn") })
	if p.Take("b", 1, Busy, func() {}) != nil {
		t.Error("given what is not there")
	}
}

func TestGrow(t *testing.T) {
	p := NewPool(100)
	var gone bool
	a := p.Take("a", 60, Busy, func() { gone = true })
	b := p.Take("b", 10, Busy, func() { t.Error("the smaller one was withdrawn") })
	if !a.Grow(30) || p.Used() != 100 {
		t.Fatalf("%d used", p.Used())
	}
	if a.Grow(1) || gone {
		t.Error("grew beyond what there is")
	}
	if !b.Grow(20) || !gone || p.Used() != 30 {
		t.Errorf("the greedy one was withdrawn: %v, %d used", gone, p.Used())
	}
	if a.Grow(1) {
		t.Error("grew after it was withdrawn")
	}
	a.Mark(Idle)
	a.Set(50)
	if p.Used() != 30 {
		t.Errorf("%d used after changes of what was withdrawn", p.Used())
	}
}

func TestSetIsNeverRefused(t *testing.T) {
	p := NewPool(100)
	gone := 0
	p.Take("a", 50, Busy, func() { gone++ })
	b := p.Take("b", 40, Fixed, func() { t.Error("withdrawn") })
	b.Set(200)
	if p.Used() != 250 || gone != 0 {
		t.Errorf("%d used, %d withdrawn from a peer that holds less", p.Used(), gone)
	}
	b.Set(30)
	if p.Used() != 80 {
		t.Errorf("%d used", p.Used())
	}
}
