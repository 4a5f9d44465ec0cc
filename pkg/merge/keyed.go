package merge

import (
	"reflect"
	"slices"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
)

// keyed is a list of the overlay whose items are told apart by a key, its
// directives taken out.
type keyed struct {
	items   []*node
	ids     []ident
	deleted map[ident]bool
	replace bool
}

func readKeyed(n *node, mergeKey string) (k keyed, err error) {
	k.items, k.ids = make([]*node, 0, n.count), make([]ident, 0, n.count)
	for i, item := range n.children() {
		if item.kind != object {
			return k, at(itemStep(item, i), errorf("is %s, must be an object", item))
		}
		replace := item.patched() && item.patch.kind == text && item.patch.scalar == replaceValue
		if replace {
			k.replace = true
			continue
		}
		key := item.member(mergeKey)
		if key == nil || key.kind == null {
			return k, at(itemStep(item, i), errorf("has no %s, by which the items of this list are told apart", mergeKey))
		}
		switch {
		case !item.patched():
			k.items, k.ids = append(k.items, item), append(k.ids, identOfNode(key))
		case item.patch.kind == text && item.patch.scalar == deleteValue:
			if k.deleted == nil {
				k.deleted = map[ident]bool{}
			}
			k.deleted[identOfNode(key)] = true
		default:
			return k, at(itemStep(item, i), at(patchDirective, errorf("is %s, must be %q or %q in a list", item.patch, replaceValue, deleteValue)))
		}
	}
	return k, nil
}

// elements are the elements of a list with their unknown fields. unknown is nil where
// no element has any, and none is about to come; it is not nil for an empty list
// otherwise.
type elements struct {
	list    reflect.Value
	unknown []*podmodel.Fields
}

func (e *elements) of(i int) *podmodel.Fields {
	if e.unknown == nil {
		return nil
	}
	return e.unknown[i]
}

// applyKeyed merges two lists whose items are told apart by a merge key: items
// that both have are merged, the others are added. It returns the unknown fields
// of the result.
func applyKeyed(dst reflect.Value, unknown *podmodel.Fields, f *podschema.Field, n *node) (*podmodel.Fields, error) {
	k, err := readKeyed(n, f.MergeKey)
	if err != nil {
		return nil, err
	}
	if n.count == 0 && dst.Len() == 0 {
		return unknown, nil
	}
	before := elements{list: dst, unknown: unknown.Items(f.Type, dst)}
	if before.unknown == nil && n.fields() != nil {
		before.unknown = make([]*podmodel.Fields, dst.Len())
	}
	merged, err := k.merge(before, f, n)
	if err != nil {
		return nil, err
	}
	dst.Set(merged.list)
	return podmodel.JoinItems(f.Type, dst, merged.unknown), nil
}

// merge returns a list of its own memory.
func (k *keyed) merge(before elements, f *podschema.Field, n *node) (elements, error) {
	if k.replace {
		return k.added(f, elements{list: reflect.Zero(before.list.Type()), unknown: before.unknown[:0:0]}), nil
	}
	if k.deleted != nil {
		before = k.withoutDeleted(before, f.Key())
	}
	ids := idents(before.list, f.Key())
	was, wanted := index{ids: ids}, index{ids: k.ids}
	if was.distinct() && wanted.distinct() && !was.meets(&wanted) {
		return k.added(f, before), nil
	}
	return k.merged(f, n, before, ids)
}

func (k *keyed) withoutDeleted(before elements, key *podschema.Field) elements {
	out := elements{list: reflect.MakeSlice(before.list.Type(), 0, before.list.Len()), unknown: before.unknown[:0:0]}
	for i := range before.list.Len() {
		item := before.list.Index(i)
		if k.deleted[identOf(key.Of(item))] {
			continue
		}
		out.list = reflect.Append(out.list, item)
		if before.unknown != nil {
			out.unknown = append(out.unknown, before.unknown[i])
		}
	}
	return out
}

// added is for lists that have nothing in common, as most: new items come first.
func (k *keyed) added(f *podschema.Field, before elements) elements {
	out := elements{list: reflect.New(before.list.Type()).Elem()}
	makeList(out.list, f.Type, len(k.items)+before.list.Len())
	for i, item := range k.items {
		set(out.list.Index(i), f.Type.Elem, false, item)
		if before.unknown != nil {
			out.unknown = append(out.unknown, item.fields())
		}
	}
	reflect.Copy(out.list.Slice(len(k.items), out.list.Len()), before.list)
	if before.unknown != nil {
		out.unknown = append(out.unknown, before.unknown...)
	}
	return out
}

// merged merges items one after the other, an item whose key is in the overlay
// twice onto the first of them.
func (k *keyed) merged(f *podschema.Field, n *node, before elements, ids []ident) (elements, error) {
	out := elements{list: copyList(before.list, len(k.items)), unknown: slices.Clone(before.unknown)}
	position := index{ids: slices.Clone(ids)}
	for i, item := range k.items {
		j, found := position.of(k.ids[i])
		if !found {
			position.add(k.ids[i])
			out.list = out.list.Slice(0, out.list.Len()+1)
			set(out.list.Index(out.list.Len()-1), f.Type.Elem, false, item)
			if out.unknown != nil {
				out.unknown = append(out.unknown, item.fields())
			}
			continue
		}
		if j >= len(ids) && item.directed() {
			return out, at(n.step(item), errorf("has directives, and an item of the same %s stands before it in the list: leave one of the two out", f.MergeKey))
		}
		unknown, err := apply(out.list.Index(j), out.of(j), f.Type.Elem, item)
		if err != nil {
			return out, at(n.step(item), err)
		}
		if out.unknown != nil {
			out.unknown[j] = unknown
		}
	}
	return out.permuted(arrange(position.ids, k.ids, ids)), nil
}

// step names an item of a list in a path.
func (n *node) step(item *node) string {
	for i, m := range n.children() {
		if m == item {
			return itemStep(item, i)
		}
	}
	return itemStep(item, 0)
}

// permuted returns the elements in the given order.
func (e elements) permuted(order []int) elements {
	if slices.IsSorted(order) {
		return e
	}
	out := elements{list: reflect.MakeSlice(e.list.Type(), e.list.Len(), e.list.Len())}
	for i, from := range order {
		out.list.Index(i).Set(e.list.Index(from))
		if e.unknown != nil {
			out.unknown = append(out.unknown, e.unknown[from])
		}
	}
	return out
}
