package merge

import "iter"

// children goes through the entries of an object, known fields and map entries
// only, or the items of a list.
func (n *node) children() iter.Seq2[int, *node] {
	return func(yield func(int, *node) bool) {
		i := 0
		for m := n.first; m != nil; m = m.next {
			if !yield(i, m) {
				return
			}
			i++
		}
	}
}

// member finds an entry by name, null ones included.
func (n *node) member(name string) *node {
	for m := n.first; m != nil; m = m.next {
		if m.name == name {
			return m
		}
	}
	return nil
}

// chain puts the children of a node together, one after the other.
type chain struct {
	of, last *node
	// seen has the entries by name, once looking at every entry would be slow.
	seen map[string]*node
}

// rebuild returns the first child of an object some of whose entries are to go,
// and an empty chain in the place of all of them.
func rebuild(n *node) (first *node, c chain) {
	first = n.first
	n.first, n.count = nil, 0
	return first, chain{of: n}
}

func (c *chain) add(m *node) {
	m.next = nil
	if c.last == nil {
		c.of.first = m
	} else {
		c.last.next = m
	}
	c.last = m
	c.of.count++
	if c.seen != nil {
		c.seen[m.name] = m
	}
}

// find returns the entry of a name, nil when there is none yet.
func (c *chain) find(name string) *node {
	const few = 24
	if c.of.count < few {
		return c.of.member(name)
	}
	if c.seen == nil {
		c.seen = make(map[string]*node, 4*few)
		for _, m := range c.of.children() {
			c.seen[m.name] = m
		}
	}
	return c.seen[name]
}

// set adds an entry, or puts it in the place of the one of its name.
func (c *chain) set(m *node) {
	old := c.find(m.name)
	if old == nil {
		c.add(m)
		return
	}
	next := old.next
	*old = *m
	old.next = next
}
