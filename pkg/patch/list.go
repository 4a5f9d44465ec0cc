package patch

import (
	"reflect"
	"slices"
	"strconv"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
)

// list writes what differs between two lists. Both have items. The steps, in an
// order that makes every index right at its time: items that are gone are
// removed from the end on, items that stay are moved into their new order, new
// items are put in from the front on, and then items that stay are compared.
func (d *differ) list(f *podschema.Field, before, after reflect.Value, src spot) error {
	t := f.Type
	from := match(t, before, after)
	p := plan(from, before.Len())
	// Rather the list as a whole than a patch that is longer than the list.
	if t.ElemPointer || p.shuffled || len(p.removed) > len(from)+few || p.unmatched == len(from) {
		if p.unmatched == len(from) {
			src.part = part{}
		}
		return d.put("replace", f.Name, t, after, src.source())
	}
	mark := d.down(f.Name)
	for _, i := range slices.Backward(p.removed) {
		d.remove(strconv.Itoa(i))
	}
	for _, m := range p.moves {
		d.move(appendStep(slices.Clone(d.path), strconv.Itoa(m.from)), strconv.Itoa(m.to))
	}
	length := before.Len() - len(p.removed)
	for i, j := range from {
		if j >= 0 {
			continue
		}
		step := strconv.Itoa(i)
		if i == length {
			step = "-"
		}
		length++
		if err := d.put("add", step, t.Elem, after.Index(i), source{extra: src.extra.item(t, after.Index(i), i)}); err != nil {
			return err
		}
	}
	return d.up(mark, d.items(t, from, before, after, src))
}

const (
	// few is how many items more than it keeps a list may lose one by one.
	few = 16
	// maxMoves is how many items may be moved one by one. Each move costs time
	// in proportion to the list, so a limit keeps the whole linear.
	maxMoves = 64
)

// items writes what differs within the items that stay.
func (d *differ) items(t *podschema.Type, from []int, before, after reflect.Value, src spot) error {
	if t.Elem.Kind != podschema.Struct {
		return nil
	}
	list := src.text()
	for i, j := range from {
		if j < 0 {
			continue
		}
		a, b, x := after.Index(i), before.Index(j), src.extra.item(t, after.Index(i), i)
		// Where no text needs a look, object compares as well as equal does.
		if x == nil && (!d.unique || b.IsZero()) && equal(t.Elem, b, a) {
			continue
		}
		item := spot{part: list.item(j), extra: x}
		object := true
		if b.IsZero() { // perhaps it is null
			raw, err := item.bytes()
			if err != nil {
				return err
			}
			object = isObject(raw)
		}
		var err error
		if step := strconv.Itoa(i); object {
			err = d.up(d.down(step), d.object(t.Elem, b, a, item))
		} else {
			err = d.put("replace", step, t.Elem, a, item.source())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// match finds for each item of after the item of before that it was, -1 for a
// new one.
func match(t *podschema.Type, before, after reflect.Value) []int {
	n, m := after.Len(), before.Len()
	from := make([]int, n)
	lo := 0
	for lo < n && lo < m && sameItem(t, before.Index(lo), after.Index(lo)) {
		from[lo] = lo
		lo++
	}
	for n > lo && m > lo && sameItem(t, before.Index(m-1), after.Index(n-1)) {
		n, m = n-1, m-1
		from[n] = m
	}
	if len(t.Identity) == 0 && t.Elem.Kind == podschema.Struct {
		for i := lo; i < n; i++ {
			if from[i] = i; i >= m {
				from[i] = -1
			}
		}
		return from
	}
	if lo == n {
		return from
	}
	byID := make(map[string][]int, m-lo)
	for j := lo; j < m; j++ {
		id := identify(t, before.Index(j))
		byID[id] = append(byID[id], j)
	}
	for i := lo; i < n; i++ {
		from[i] = -1
		if id := identify(t, after.Index(i)); len(byID[id]) > 0 {
			from[i], byID[id] = byID[id][0], byID[id][1:]
		}
	}
	return from
}

// sameItem tells whether an item may be what another one has become.
func sameItem(t *podschema.Type, before, after reflect.Value) bool {
	if len(t.Identity) == 0 {
		return equalValue(t.Elem, t.ElemPointer, before, after)
	}
	for _, f := range t.Identity {
		if !equalField(f, f.Of(before), f.Of(after)) {
			return false
		}
	}
	return true
}

// steps is what has to be done to a list before new items come in.
type steps struct {
	removed   []int // of the list before, ascending
	moves     []relocation
	unmatched int  // how many items are new
	shuffled  bool // more items moved than can be said one by one
}

// relocation takes an item out at one index and puts it in at another, counted
// after it has been taken out.
type relocation struct{ from, to int }

func plan(from []int, length int) steps {
	s := steps{}
	inOrder := 0
	for _, j := range from {
		switch j {
		case -1:
			s.unmatched++
		case inOrder:
			inOrder++
		}
	}
	if inOrder == length && s.unmatched == len(from)-length {
		return s // all that there was, as it was
	}
	stays := make([]bool, length)
	var wanted []int
	for _, j := range from {
		if j >= 0 {
			stays[j] = true
			wanted = append(wanted, j)
		}
	}
	for j, stay := range stays {
		if !stay {
			s.removed = append(s.removed, j)
		}
	}
	if !slices.IsSorted(wanted) {
		rest := ascending(wanted)
		if s.shuffled = len(wanted)-len(rest) > maxMoves; !s.shuffled {
			s.moves = relocations(wanted, rest)
		}
	}
	return s
}

// relocations returns the fewest moves that bring a list, which is in ascending
// order, into the wanted one: the longest run of items that are in order already
// rests, each of the others goes behind the one it has to follow.
func relocations(wanted []int, rest map[int]bool) []relocation {
	current := slices.Sorted(slices.Values(wanted))
	var moves []relocation
	for k, item := range wanted {
		if rest[item] {
			continue
		}
		m := relocation{from: slices.Index(current, item)}
		current = slices.Delete(current, m.from, m.from+1)
		if k > 0 {
			m.to = slices.Index(current, wanted[k-1]) + 1
		}
		current = slices.Insert(current, m.to, item)
		moves = append(moves, m)
	}
	return moves
}

// ascending returns a longest ascending subsequence, as a set.
func ascending(s []int) map[int]bool {
	var tails []int // index into s of the smallest end of a run of each length
	previous := make([]int, len(s))
	for i, v := range s {
		k, _ := slices.BinarySearchFunc(tails, v, func(j, v int) int { return s[j] - v })
		previous[i] = -1
		if k > 0 {
			previous[i] = tails[k-1]
		}
		if k == len(tails) {
			tails = append(tails, i)
		} else {
			tails[k] = i
		}
	}
	set := make(map[int]bool, len(tails))
	for i := tails[len(tails)-1]; i >= 0; i = previous[i] {
		set[s[i]] = true
	}
	return set
}
