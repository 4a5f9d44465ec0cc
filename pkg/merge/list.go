package merge

import (
	"reflect"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
)

// applyList merges a list of the overlay into one that is there.
func applyList(dst reflect.Value, f *podschema.Field, n *node, p presence) error {
	switch {
	case !f.Merge:
		dst.SetZero()
		build(dst, f.Type, n, asIs)
		return nil
	case f.Key() != nil:
		return applyKeyed(dst, f, n, p)
	}
	applySet(dst, f, n)
	return nil
}

// applySet joins two lists of scalars without repeating any.
func applySet(dst reflect.Value, f *podschema.Field, n *node) {
	before := idents(dst, nil)
	added := reflect.New(f.Type.Go).Elem()
	build(added, f.Type, n, asIs)
	wanted := idents(added, nil)
	both := reflect.AppendSlice(copyList(dst, added.Len()), added)
	merged := reflect.MakeSlice(both.Type(), 0, both.Len())
	var ids []ident
	seen := make(map[ident]bool, both.Len())
	for i := range both.Len() {
		if id := identOf(both.Index(i)); !seen[id] {
			seen[id] = true
			ids = append(ids, id)
			merged = reflect.Append(merged, both.Index(i))
		}
	}
	permute(dst, merged, arrange(ids, wanted, before))
}

// copyList returns a copy with room for more items.
func copyList(s reflect.Value, more int) reflect.Value {
	out := reflect.MakeSlice(s.Type(), s.Len(), s.Len()+more)
	reflect.Copy(out, s)
	return out
}

// idents lists the keys of a list's items, or the items when key is nil.
func idents(s reflect.Value, key *podschema.Field) []ident {
	ids := make([]ident, s.Len())
	for i := range ids {
		v := s.Index(i)
		if key != nil {
			v = key.Of(v)
		}
		ids[i] = identOf(v)
	}
	return ids
}

// keyed is a list of the overlay whose items are told apart by a key, its
// directives taken out.
type keyed struct {
	items   []*node
	at      []int // where the items stood, for errors
	ids     []ident
	deleted map[ident]bool
	replace bool
}

func readKeyed(n *node, mergeKey string) (k keyed, err error) {
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
			k.items, k.at = append(k.items, item), append(k.at, i)
			k.ids = append(k.ids, identOfNode(key))
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
	key := f.Key()
	out := reflect.MakeSlice(dst.Type(), 0, dst.Len()+len(k.items))
	for i := range dst.Len() {
		if item := dst.Index(i); k.deleted == nil || !k.deleted[identOf(key.Of(item))] {
			out = reflect.Append(out, item)
		}
	}
	before := idents(out, key)
	ids, place := before, ranks(before)
	for i, item := range k.items {
		id := k.ids[i]
		j, found := place[id]
		if !found {
			place[id] = out.Len()
			ids = append(ids, id)
			out = out.Slice(0, out.Len()+1)
			build(out.Index(out.Len()-1), f.Type.Elem, item, asIs)
			continue
		}
		origin := p
		if j >= len(before) {
			origin = ofOverlay
		}
		if err := apply(out.Index(j), f.Type.Elem, item, origin); err != nil {
			return at(itemStep(item, k.at[i]), err)
		}
	}
	permute(dst, out, arrange(ids, k.ids, before[:len(before):len(before)]))
	return nil
}

// replaceKeyed puts the overlay's items in the place of the pod's.
func replaceKeyed(dst reflect.Value, f *podschema.Field, k keyed) {
	out := reflect.MakeSlice(dst.Type(), len(k.items), len(k.items))
	for i, item := range k.items {
		build(out.Index(i), f.Type.Elem, item, asIs)
	}
	permute(dst, out, arrange(k.ids, nil, k.ids))
}

// applyOrder merges a list together with the $setElementOrder given for it. The
// list itself is nil when the overlay has only the order.
func applyOrder(owner reflect.Value, d *directive, n *node, p presence) error {
	if d.value.kind != list {
		return at(orderPrefix+d.name, errorf("is %s, must be a list", d.value))
	}
	if n != nil && n.kind != list {
		return errorf("is %s, must be a list to be put in order", n)
	}
	f, key := d.field, d.field.Key()
	if key == nil && f.Type.Elem.Kind == podschema.Struct {
		return at(orderPrefix+d.name, errorf("the items of this list have no key to be put in order by"))
	}
	wanted, err := orderIdents(d.value, f.MergeKey, key)
	if err != nil {
		return at(orderPrefix+d.name, err)
	}
	if n != nil {
		if err := orderCovers(n, f, key, wanted); err != nil {
			return err
		}
	}
	dst := f.Of(owner)
	found := p.of(f, dst)
	before := idents(dst, key)
	switch {
	case !found && n == nil:
		return nil
	case found && n != nil:
		err = applyList(dst, f, n, p)
	case n != nil:
		dst.SetZero()
		build(dst, f.Type, n, undirected)
	}
	if err != nil {
		return err
	}
	if !found && n.count == 0 || dst.Len() == 0 && len(before) == 0 {
		return nil
	}
	permute(dst, copyList(dst, 0), arrange(idents(dst, key), wanted, before))
	return nil
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

func scalarKeys(n *node) map[ident]bool {
	m := make(map[ident]bool, n.count)
	for _, item := range n.children() {
		m[identOfNode(item)] = true
	}
	return m
}
