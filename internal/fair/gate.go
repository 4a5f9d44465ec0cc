package fair

import (
	"container/list"
	"context"
	"sync"
)

// Gate lets work begin while the sum of the costs and the number of those at work
// stay within its limits. What has to wait gets its turn peer by peer, and among
// those of one peer in the order of their coming. Its methods may be called from
// many goroutines at one time.
type Gate struct {
	limit int64 // of costs at work
	slots int   // at work at one time

	mu      sync.Mutex
	cost    int64
	working int
	lines   map[string]*line
	turns   list.List // of *line: those in which somebody waits, the next one first
}

// line is one peer's work.
type line struct {
	peer    string
	working int
	waiting list.List     // of *waiter
	turn    *list.Element // in Gate.turns; nil when nobody waits
}

type waiter struct {
	cost  int64
	begin chan struct{} // closed when its turn has come
}

// NewGate returns a gate for work that costs limit at most in all, of which there
// are slots at one time.
func NewGate(limit int64, slots int) *Gate {
	return &Gate{limit: limit, slots: slots, lines: map[string]*line{}}
}

// Enter waits until the peer's work of that cost may begin, or ctx is done; then it
// returns the cause. What costs more than there is counts as all there is: it
// works alone. leave must be called once when the work is done.
func (g *Gate) Enter(ctx context.Context, peer string, cost int64) (leave func(), err error) {
	cost = min(cost, g.limit)
	g.mu.Lock()
	l := g.lines[peer]
	if l == nil {
		l = &line{peer: peer}
		g.lines[peer] = l
	}
	leave = func() { g.leave(l, cost) }
	if g.turns.Len() == 0 && g.mayBegin(l, cost) {
		g.begin(l, cost)
		g.mu.Unlock()
		return leave, nil
	}
	w := &waiter{cost: cost, begin: make(chan struct{})}
	place := l.waiting.PushBack(w)
	if l.turn == nil {
		l.turn = g.turns.PushBack(l)
	}
	g.grant() // the others may wait for what this one does not need
	g.mu.Unlock()
	select {
	case <-w.begin:
		return leave, nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	select {
	case <-w.begin: // at the same time
		g.mu.Unlock()
		leave()
	default:
		l.waiting.Remove(place)
		g.tidy(l)
		g.grant() // it may have stood before one that fits
		g.mu.Unlock()
	}
	return nil, context.Cause(ctx)
}

func (g *Gate) leave(l *line, cost int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cost -= cost
	g.working--
	l.working--
	g.tidy(l)
	g.grant()
}

// Waiting returns how many wait for their turn.
func (g *Gate) Waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := 0
	for e := g.turns.Front(); e != nil; e = e.Next() {
		n += e.Value.(*line).waiting.Len()
	}
	return n
}

// mayBegin reports whether work fits now. One peer does not get the last slot, so
// that another never waits for all of a peer's work; there are more slots than
// processors, so that a peer which is alone loses nothing.
func (g *Gate) mayBegin(l *line, cost int64) bool {
	return g.fits(cost) && !g.hasItsShare(l)
}

func (g *Gate) fits(cost int64) bool { return g.working < g.slots && g.cost+cost <= g.limit }

func (g *Gate) hasItsShare(l *line) bool { return l.working >= max(1, g.slots-1) }

func (g *Gate) begin(l *line, cost int64) {
	g.cost += cost
	g.working++
	l.working++
}

// grant lets those begin whose turn it is. One that does not fit is waited for,
// so that work of less cost cannot pass it for ever.
func (g *Gate) grant() {
	for e := g.turns.Front(); e != nil; {
		l := e.Value.(*line)
		if g.hasItsShare(l) {
			e = e.Next()
			continue
		}
		w := l.waiting.Front().Value.(*waiter)
		if !g.fits(w.cost) {
			return
		}
		l.waiting.Remove(l.waiting.Front())
		g.begin(l, w.cost)
		close(w.begin)
		g.turns.MoveToBack(e)
		g.tidy(l)
		e = g.turns.Front()
	}
}

// tidy forgets a line in which nobody works or waits.
func (g *Gate) tidy(l *line) {
	if l.waiting.Len() == 0 && l.turn != nil {
		g.turns.Remove(l.turn)
		l.turn = nil
	}
	if l.waiting.Len() == 0 && l.working == 0 {
		delete(g.lines, l.peer)
	}
}
