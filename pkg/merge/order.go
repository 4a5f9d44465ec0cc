package merge

import (
	"reflect"
	"slices"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
)

// applyOrder merges a list together with the $setElementOrder given for it, and
// returns the unknown fields of the result. The list itself is nil when the overlay
// has only the order.
func applyOrder(owner reflect.Value, unknown *podmodel.Fields, d *directive, n *node) (*podmodel.Fields, error) {
	if d.value.kind != list {
		return nil, at(orderPrefix+d.name, errorf("is %s, must be a list", d.value))
	}
	if n != nil && n.kind != list {
		return nil, errorf("is %s, must be a list to be put in order", n)
	}
	f, key := d.field, d.field.Key()
	if key == nil && f.Type.Elem.Kind == podschema.Struct {
		return nil, at(orderPrefix+d.name, errorf("the items of this list have no key to be put in order by"))
	}
	wanted, err := orderIdents(d.value, f.MergeKey, key)
	if err != nil {
		return nil, at(orderPrefix+d.name, err)
	}
	dst := f.Of(owner)
	before := idents(dst, key)
	if n != nil {
		if err := orderCovers(n, f, key, wanted); err != nil {
			return nil, err
		}
		if unknown, err = applyField(owner, unknown, f, n); err != nil {
			return nil, err
		}
	}
	if dst.Len() == 0 {
		return unknown, nil
	}
	all := elements{list: copyList(dst, 0), unknown: unknown.Items(f.Type, dst)}
	ordered := all.permuted(arrange(idents(dst, key), wanted, before))
	dst.Set(ordered.list)
	return podmodel.JoinItems(f.Type, dst, ordered.unknown), nil
}

func orderIdents(n *node, mergeKey string, key *podschema.Field) ([]ident, error) {
	ids := make([]ident, 0, n.count)
	for i, item := range n.children() {
		if key == nil {
			ids = append(ids, identOfNode(item))
			continue
		}
		value := item.member(mergeKey)
		if value == nil {
			return nil, at(itemStep(item, i), errorf("has no %s", mergeKey))
		}
		ids = append(ids, identOfNode(value))
	}
	return ids, nil
}

// orderCovers checks that the order names every item of the list, and in the
// order of the list.
func orderCovers(n *node, f *podschema.Field, key *podschema.Field, wanted []ident) error {
	if len(wanted) == 0 || n.count == 0 {
		return nil
	}
	next := 0
	for i, item := range n.children() {
		if key != nil && item.patched() {
			continue
		}
		value := item
		if key != nil {
			if value = item.member(f.MergeKey); value == nil {
				return at(itemStep(item, i), errorf("has no %s, by which the items of this list are told apart", f.MergeKey))
			}
		}
		id := identOfNode(value)
		for next < len(wanted) && wanted[next] != id {
			next++
		}
		if next == len(wanted) {
			return at(itemStep(item, i), errorf("is not where %s%s has it", orderPrefix, f.Name))
		}
		next++
	}
	return nil
}

// arrange returns the order in which the items of a merged list have to stand,
// as indices into ids. The rules are those of the reference library:
//
//   - items that wanted names come in the order of wanted, the others in the
//     order they had before; items of one key come together;
//   - an item of the others comes in front of a wanted item only if it stood in
//     front of it before, so new items come first.
func arrange(ids, wanted, before []ident) []int {
	inWanted, inBefore := index{ids: wanted}, index{ids: before}
	var left, right []int
	for i, id := range ids {
		if _, ok := inWanted.of(id); ok {
			right = append(right, i)
		} else {
			left = append(left, i)
		}
	}
	by := func(in *index) func(a, b int) int {
		return func(a, b int) int {
			x, _ := in.of(ids[a])
			y, _ := in.of(ids[b])
			return x - y
		}
	}
	slices.SortStableFunc(left, by(&inBefore))
	slices.SortStableFunc(right, by(&inWanted))

	order := make([]int, 0, len(ids))
	for len(left) > 0 && len(right) > 0 {
		l, inL := inBefore.of(ids[left[0]])
		r, inR := inBefore.of(ids[right[0]])
		if inL && inR && l < r {
			order, left = append(order, left[0]), left[1:]
		} else {
			order, right = append(order, right[0]), right[1:]
		}
	}
	return append(append(order, left...), right...)
}
