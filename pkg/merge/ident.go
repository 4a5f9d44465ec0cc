package merge

import (
	"reflect"
	"slices"
)

// ident is what list items are told apart by: the value of the merge key, or the item
// itself in a list of scalars. A number never equals a text.
type ident struct {
	kind kind
	text string
	num  int64
}

func identOf(v reflect.Value) ident {
	switch v.Kind() {
	case reflect.String:
		return ident{kind: text, text: v.String()}
	case reflect.Bool:
		return ident{kind: boolean, num: map[bool]int64{true: 1}[v.Bool()]}
	default:
		return ident{kind: number, num: v.Int()}
	}
}

func identOfNode(n *node) ident {
	switch n.kind {
	case text:
		return ident{kind: text, text: n.scalar}
	case boolean:
		return ident{kind: boolean, num: map[bool]int64{true: 1}[n.scalar == "true"]}
	default:
		if i, ok := integer(n); ok {
			return ident{kind: number, num: i}
		}
		return ident{kind: n.kind, text: n.scalar}
	}
}

// index finds where in a list an ident occurs first.
type index struct {
	ids []ident
	at  map[ident]int // once looking at every one would be slow
}

// of returns 0 for an ident that does not occur.
func (x *index) of(id ident) (position int, found bool) {
	const few = 16
	if len(x.ids) <= few {
		i := slices.Index(x.ids, id)
		return max(i, 0), i >= 0
	}
	if x.at == nil {
		x.at = make(map[ident]int, len(x.ids))
		for i, id := range x.ids {
			if _, found := x.at[id]; !found {
				x.at[id] = i
			}
		}
	}
	position, found = x.at[id]
	return position, found
}

// add adds an ident that does not occur.
func (x *index) add(id ident) {
	if x.at != nil {
		x.at[id] = len(x.ids)
	}
	x.ids = append(x.ids, id)
}

// distinct reports whether no ident occurs twice.
func (x *index) distinct() bool {
	for i, id := range x.ids {
		if first, _ := x.of(id); first != i {
			return false
		}
	}
	return true
}

// meets reports whether an ident of the other occurs here.
func (x *index) meets(other *index) bool {
	return slices.ContainsFunc(other.ids, func(id ident) bool { _, found := x.of(id); return found })
}
