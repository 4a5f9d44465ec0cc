package merge

import (
	"reflect"
	"slices"
)

// ident is what tells list items apart: the value of the merge key, or the item
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

// ranks gives every ident the place where it occurs first.
func ranks(ids []ident) map[ident]int {
	m := make(map[ident]int, len(ids))
	for i, id := range ids {
		if _, ok := m[id]; !ok {
			m[id] = i
		}
	}
	return m
}

// arrange returns the order in which the items of a merged list have to stand,
// as indices into ids. The rules are those of the reference library:
//
//   - items that wanted names come in the order of wanted, the others in the
//     order they had before; items of one key come together;
//   - an item of the others comes in front of a wanted item only if it stood in
//     front of it before, so new items come first.
func arrange(ids, wanted, before []ident) []int {
	wantedRank, beforeRank := ranks(wanted), ranks(before)
	var left, right []int
	for i, id := range ids {
		if _, ok := wantedRank[id]; ok {
			right = append(right, i)
		} else {
			left = append(left, i)
		}
	}
	by := func(rank map[ident]int) func(a, b int) int {
		return func(a, b int) int { return rank[ids[a]] - rank[ids[b]] }
	}
	slices.SortStableFunc(left, by(beforeRank))
	slices.SortStableFunc(right, by(wantedRank))

	order := make([]int, 0, len(ids))
	for len(left) > 0 && len(right) > 0 {
		l, inL := beforeRank[ids[left[0]]]
		r, inR := beforeRank[ids[right[0]]]
		if inL && inR && l < r {
			order, left = append(order, left[0]), left[1:]
		} else {
			order, right = append(order, right[0]), right[1:]
		}
	}
	return append(append(order, left...), right...)
}

// permute sets dst to the items of s in the given order.
func permute(dst, s reflect.Value, order []int) {
	if slices.IsSorted(order) {
		dst.Set(s)
		return
	}
	out := reflect.MakeSlice(s.Type(), s.Len(), s.Len())
	for i, from := range order {
		out.Index(i).Set(s.Index(from))
	}
	dst.Set(out)
}
