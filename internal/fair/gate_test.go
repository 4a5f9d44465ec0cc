package fair

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

const patience = 10 * time.Second

func enter(t *testing.T, g *Gate, peer string, cost int64) func() {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	leave, err := g.Enter(ctx, peer, cost)
	if err != nil {
		t.Fatalf("%s did not get its turn: %v", peer, err)
	}
	return leave
}

// wait starts work that has to wait, and returns when it does.
func wait(ctx context.Context, t *testing.T, g *Gate, peer string, cost int64, begun chan<- string) {
	t.Helper()
	before := g.Waiting()
	go func() {
		leave, err := g.Enter(ctx, peer, cost)
		if err != nil {
			begun <- err.Error()
			return
		}
		begun <- peer
		leave()
	}()
	for deadline := time.Now().Add(patience); g.Waiting() == before; time.Sleep(time.Millisecond) { // between looks
		if time.Now().After(deadline) {
			t.Fatalf("%s does not wait", peer)
		}
	}
}

// empty waits until nobody works or waits any more, and nothing is kept of them.
func empty(t *testing.T, g *Gate) {
	t.Helper()
	clean := func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return len(g.lines) == 0 && g.turns.Len() == 0 && g.cost == 0 && g.working == 0
	}
	for deadline := time.Now().Add(patience); !clean(); time.Sleep(time.Millisecond) { // between looks
		if time.Now().After(deadline) {
			t.Fatalf("left over: %+v", g)
		}
	}
}

func next(t *testing.T, begun <-chan string) string {
	t.Helper()
	select {
	case s := <-begun:
		return s
	case <-time.After(patience):
		t.Fatal("nobody's turn came")
		return ""
	}
}

func TestPeersTakeTurns(t *testing.T) {
	g := NewGate(100, 1)
	leave := enter(t, g, "a", 1)
	begun := make(chan string, 8)
	for range 3 {
		wait(t.Context(), t, g, "a", 1, begun)
	}
	wait(t.Context(), t, g, "b", 1, begun)
	wait(t.Context(), t, g, "c", 1, begun)
	leave()
	// One of each, then the rest of the one with more.
	got := map[string]int{}
	for range 3 {
		got[next(t, begun)]++
	}
	if got["a"] != 1 || got["b"] != 1 || got["c"] != 1 {
		t.Errorf("the first three turns went to %v, want one to each", got)
	}
	for range 2 {
		if got := next(t, begun); got != "a" {
			t.Errorf("the rest of a has to wait for %s", got)
		}
	}
	empty(t, g)
}

func TestCosts(t *testing.T) {
	g := NewGate(100, 10)
	a := enter(t, g, "a", 60)
	begun := make(chan string, 8)
	wait(t.Context(), t, g, "b", 60, begun)
	// It would fit, but then the large one might never have its turn.
	wait(t.Context(), t, g, "c", 10, begun)
	a()
	got := map[string]bool{next(t, begun): true, next(t, begun): true}
	if !got["b"] || !got["c"] {
		t.Errorf("begun: %v", got)
	}
	// What costs more than there is works alone.
	all := enter(t, g, "a", 1000)
	wait(t.Context(), t, g, "b", 1, begun)
	all()
	next(t, begun)
}

// One peer leaves the last slot to others; they need not wait for its work.
func TestOnePeerDoesNotGetTheLastSlot(t *testing.T) {
	g := NewGate(100, 4)
	for range 3 {
		enter(t, g, "greedy", 1)
	}
	begun := make(chan string, 8)
	wait(t.Context(), t, g, "greedy", 1, begun)
	enter(t, g, "b", 1)()
	enter(t, g, "c", 1)()
}

func TestGivesUp(t *testing.T) {
	g := NewGate(100, 2)
	a := enter(t, g, "a", 90)
	begun := make(chan string, 8)
	ctx, cancel := context.WithCancelCause(t.Context())
	wait(ctx, t, g, "b", 50, begun)
	wait(t.Context(), t, g, "c", 10, begun)
	cancel(errors.New("the caller has gone"))
	// The one behind it fits, now that nobody stands before it.
	got := map[string]bool{next(t, begun): true, next(t, begun): true}
	if !got["the caller has gone"] || !got["c"] {
		t.Errorf("got %v", got)
	}
	a()
	empty(t, g)
}

func TestGateUnderLoad(t *testing.T) {
	g := NewGate(100, 4)
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			for j := range 200 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(j)*time.Microsecond)
				leave, err := g.Enter(ctx, string(rune('a'+i%5)), int64(i*j%120))
				if err == nil {
					leave()
				}
				cancel()
			}
		})
	}
	all.Wait()
	empty(t, g)
}
