package merge

import (
	"reflect"
	"slices"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
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

// applyKeyed merges two lists whose items are told apart by a key: items that
// both have are merged, the others are added.
func applyKeyed(dst reflect.Value, f *podschema.Field, n *node, p presence) error {
	k, err := readKeyed(n, f.MergeKey)
	if err != nil {
		return err
	}
	if n.count == 0 && dst.Len() == 0 {
		return nil
	}
	if k.replace {
		replaceKeyed(dst, f, k)
		return nil
	}
	if k.deleted != nil {
		dst.Set(without(dst, f.Key(), k.deleted))
	}
	before, wanted := index{ids: idents(dst, f.Key())}, index{ids: k.ids}
	if before.distinct() && wanted.distinct() && !before.meets(&wanted) {
		addKeyed(dst, f, k)
		return nil
	}
	return mergeKeyed(dst, f, n, k, before.ids, p)
}

func without(list reflect.Value, key *podschema.Field, deleted map[ident]bool) reflect.Value {
	out := reflect.MakeSlice(list.Type(), 0, list.Len())
	for i := range list.Len() {
		if item := list.Index(i); !deleted[identOf(key.Of(item))] {
			out = reflect.Append(out, item)
		}
	}
	return out
}

// addKeyed is for lists that have nothing in common, as most: new items come
// first.
func addKeyed(dst reflect.Value, f *podschema.Field, k keyed) {
	out := reflect.New(dst.Type()).Elem()
	makeList(out, f.Type, len(k.items)+dst.Len())
	for i, item := range k.items {
		build(out.Index(i), f.Type.Elem, item, asIs)
	}
	reflect.Copy(out.Slice(len(k.items), out.Len()), dst)
	dst.Set(out)
}

func mergeKeyed(dst reflect.Value, f *podschema.Field, n *node, k keyed, before []ident, p presence) error {
	out := copyList(dst, len(k.items))
	place := index{ids: slices.Clone(before)}
	for i, item := range k.items {
		j, found := place.of(k.ids[i])
		if !found {
			place.add(k.ids[i])
			out = out.Slice(0, out.Len()+1)
			build(out.Index(out.Len()-1), f.Type.Elem, item, asIs)
			continue
		}
		origin := p
		if j >= len(before) {
			origin = ofOverlay
		}
		if err := apply(out.Index(j), f.Type.Elem, item, origin); err != nil {
			return at(n.step(item), err)
		}
	}
	permute(dst, out, arrange(place.ids, k.ids, before))
	return nil
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

// replaceKeyed puts the overlay's items in the place of the pod's.
func replaceKeyed(dst reflect.Value, f *podschema.Field, k keyed) {
	out := reflect.New(dst.Type()).Elem()
	makeList(out, f.Type, len(k.items))
	for i, item := range k.items {
		build(out.Index(i), f.Type.Elem, item, asIs)
	}
	permute(dst, out, arrange(k.ids, nil, k.ids))
}
