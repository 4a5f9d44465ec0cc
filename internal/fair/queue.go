package fair

// queue is a list of holdings, the oldest first, from which any can be removed
// without a search.
type queue struct{ first, last *Holding }

func (q *queue) push(h *Holding) {
	h.previous, h.next = q.last, nil
	if q.last == nil {
		q.first = h
	} else {
		q.last.next = h
	}
	q.last = h
}

func (q *queue) remove(h *Holding) {
	if h.previous == nil {
		q.first = h.next
	} else {
		h.previous.next = h.next
	}
	if h.next == nil {
		q.last = h.previous
	} else {
		h.next.previous = h.previous
	}
	h.previous, h.next = nil, nil
}
