package fair

import "sync"

// State says for whom a holding may be withdrawn.
type State int

// The states of a holding.
const (
	// Idle holdings serve nobody at the moment: they go when anybody needs room, the
	// same peer included.
	Idle State = iota
	// Busy holdings go only for a peer that holds less.
	Busy
	// Fixed holdings are never withdrawn.
	Fixed
)

// Pool is an amount that peers hold parts of. Its methods may be called from many
// goroutines at one time.
type Pool struct {
	mu    sync.Mutex
	limit int64
	used  int64
	peers map[string]*account // those that hold something
}

// account is what one peer holds.
type account struct {
	name string
	used int64
	// count is the number of holdings; an account without any is forgotten.
	count int
	idle  queue
	busy  queue
}

func (a *account) queue(s State) *queue {
	switch s {
	case Idle:
		return &a.idle
	case Busy:
		return &a.busy
	}
	return nil
}

// Holding is a part of a pool in somebody's hands.
type Holding struct {
	pool    *Pool
	account *account // nil when it was released or withdrawn
	amount  int64
	state   State
	evict   func()

	previous, next *Holding // in the account's queue of the state
}

// NewPool returns a pool of which peers may hold limit in all.
func NewPool(limit int64) *Pool {
	return &Pool{limit: limit, peers: map[string]*account{}}
}

// Take gives the peer an amount, or returns nil when there is not enough and no
// other peer has to yield. evict is called at most once, when the holding is
// withdrawn, and never after Release has returned; it is called with the pool
// locked, so it must neither wait nor call the pool.
func (p *Pool) Take(peer string, amount int64, state State, evict func()) *Holding {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.peers[peer]
	if a == nil {
		a = &account{name: peer}
	}
	if !p.makeRoom(a, amount) {
		return nil
	}
	h := &Holding{pool: p, account: a, amount: amount, state: state, evict: evict}
	p.peers[peer] = a
	a.count++
	a.used += amount
	p.used += amount
	if q := a.queue(state); q != nil {
		q.push(h)
	}
	return h
}

// Used returns how much is held.
func (p *Pool) Used() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.used
}

// Grow adds to a holding, or returns false when there is not enough, or the holding
// was withdrawn.
func (h *Holding) Grow(amount int64) bool {
	p := h.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if h.account == nil {
		return false
	}
	// It must not yield to itself.
	state := h.state
	p.move(h, Fixed)
	room := p.makeRoom(h.account, amount)
	p.move(h, state)
	if room {
		p.add(h, amount)
	}
	return room
}

// Set makes a holding this large even when that is more than there is: for what
// exists already. Others yield as they would to Take.
func (h *Holding) Set(amount int64) {
	p := h.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if h.account == nil {
		return
	}
	p.add(h, amount-h.amount)
	state := h.state
	p.move(h, Fixed)
	p.makeRoom(h.account, 0)
	p.move(h, state)
}

// Mark changes for whom the holding may be withdrawn. It counts as the newest of
// that state.
func (h *Holding) Mark(s State) {
	h.pool.mu.Lock()
	defer h.pool.mu.Unlock()
	if h.account != nil && h.state != s {
		h.pool.move(h, s)
	}
}

// Release gives the holding back. Only the first call counts.
func (h *Holding) Release() {
	h.pool.mu.Lock()
	defer h.pool.mu.Unlock()
	h.pool.drop(h)
}

func (p *Pool) add(h *Holding, amount int64) {
	h.amount += amount
	h.account.used += amount
	p.used += amount
}

func (p *Pool) move(h *Holding, s State) {
	if q := h.account.queue(h.state); q != nil {
		q.remove(h)
	}
	h.state = s
	if q := h.account.queue(s); q != nil {
		q.push(h)
	}
}

func (p *Pool) drop(h *Holding) {
	if h.account == nil {
		return
	}
	if q := h.account.queue(h.state); q != nil {
		q.remove(h)
	}
	p.add(h, -h.amount)
	if h.account.count--; h.account.count == 0 {
		delete(p.peers, h.account.name)
	}
	h.account = nil
}

// makeRoom withdraws holdings until the amount fits, and reports whether it does.
func (p *Pool) makeRoom(a *account, amount int64) bool {
	for p.used+amount > p.limit {
		h := p.victim(a, amount)
		if h == nil {
			return false
		}
		p.drop(h)
		h.evict()
	}
	return true
}

// victim returns the holding that yields to a: the oldest of the peer that holds
// the most of those that have to yield, an idle one first. A peer never yields to
// one that would then hold more than it; and what is busy only to one that would
// still hold less.
func (p *Pool) victim(a *account, amount int64) *Holding {
	var greediest *account
	for _, g := range p.peers {
		if yields(g, a, amount) && (greediest == nil || g.used > greediest.used) {
			greediest = g
		}
	}
	switch {
	case greediest == nil:
		return nil
	case greediest.idle.first != nil:
		return greediest.idle.first
	}
	return greediest.busy.first
}

func yields(g, a *account, amount int64) bool {
	if g.idle.first != nil && (g == a || g.used >= a.used+amount) {
		return true
	}
	return g.busy.first != nil && g != a && g.used > a.used+amount
}
