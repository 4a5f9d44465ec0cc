package patch

import (
	"reflect"
	"slices"
	"strconv"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
)

const (
	// maxExtraRemovals is how many elements more than it keeps a list may lose one
	// by one. Beyond it the list as a whole is shorter.
	maxExtraRemovals = 16
	// maxMoves is how many elements may be moved one by one. Each move costs time
	// in proportion to the list, so a limit keeps the whole linear.
	maxMoves = 64
)

// list writes the differences between two lists that both have elements. The
// order of the steps makes every index right at its time: elements that are gone
// are removed from the end on, elements that stay are moved into their new order,
// new elements are put in from the front on, and then elements that stay are
// compared.
func (d *differ) list(f *podschema.Field, before, after reflect.Value, was, is *podmodel.Fields) error {
	t := f.Type
	from := match(t, before, after)
	p := plan(from, before.Len())
	// The list as a whole where a patch would be longer than the list.
	if t.ElemPointer || p.shuffled || len(p.removed) > len(from)+maxExtraRemovals || p.unmatched == len(from) {
		return d.put("replace", f.Name, t, after, is)
	}
	mark := d.down(f.Name)
	for _, i := range slices.Backward(p.removed) {
		d.remove(strconv.Itoa(i))
	}
	for _, m := range p.moves {
		d.move(appendStep(slices.Clone(d.path), strconv.Itoa(m.from)), strconv.Itoa(m.to))
	}
	wasItems, isItems := was.Items(t, before), is.Items(t, after)
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
		if err := d.ctx.Err(); err != nil {
			return err
		}
		if err := d.put("add", step, t.Elem, after.Index(i), itemOf(isItems, i)); err != nil {
			return err
		}
	}
	if t.Elem.Kind == podschema.Struct {
		for i, j := range from {
			if j < 0 {
				continue
			}
			if err := d.ctx.Err(); err != nil {
				return err
			}
			if err := d.item(t, i, before.Index(j), after.Index(i), itemOf(wasItems, j), itemOf(isItems, i)); err != nil {
				return err
			}
		}
	}
	return d.up(mark, nil)
}

// itemOf returns the unknown fields of one element; items is nil where none has
// any.
func itemOf(items []*podmodel.Fields, i int) *podmodel.Fields {
	if items == nil {
		return nil
	}
	return items[i]
}

// item writes the differences between two values of an element that stays.
func (d *differ) item(t *podschema.Type, i int, before, after reflect.Value, was, is *podmodel.Fields) error {
	// An element without content may be null in JSON, in which nothing can be set.
	if before.IsZero() && was.Empty() {
		if equal(t.Elem, before, after) && is.Empty() {
			return nil
		}
		return d.put("replace", strconv.Itoa(i), t.Elem, after, is)
	}
	return d.up(d.down(strconv.Itoa(i)), d.object(t.Elem, before, after, was, is))
}

// match finds for each element of after the index of the element of before that it
// was, -1 for a new one.
func match(t *podschema.Type, before, after reflect.Value) []int {
	n, m := after.Len(), before.Len()
	from := make([]int, n)
	lo := 0
	for lo < n && lo < m && t.SameIdentity(before.Index(lo), after.Index(lo)) {
		from[lo] = lo
		lo++
	}
	for n > lo && m > lo && t.SameIdentity(before.Index(m-1), after.Index(n-1)) {
		n, m = n-1, m-1
		from[n] = m
	}
	if lo == n {
		return from
	}
	byID := make(map[string][]int, m)
	for j := lo; j < m; j++ {
		id := t.Identify(before.Index(j))
		byID[id] = append(byID[id], j)
	}
	for i := lo; i < n; i++ {
		from[i] = -1
		if id := t.Identify(after.Index(i)); len(byID[id]) > 0 {
			from[i], byID[id] = byID[id][0], byID[id][1:]
		}
	}
	return from
}

// steps is what has to be done to a list before new elements come in.
type steps struct {
	removed   []int // of the list before, ascending
	moves     []relocation
	unmatched int  // how many elements are new
	shuffled  bool // more elements moved than maxMoves
}

// relocation takes an element out at one index and inserts it at another, counted
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
	if inOrder == length {
		return s // every element stays, in the same order
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
// order, into the wanted one: the longest run of elements that are in order already
// stays, each of the others goes behind the one it has to follow.
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
