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

func scalarKeys(n *node) map[ident]bool {
	m := make(map[ident]bool, n.count)
	for _, item := range n.children() {
		m[identOfNode(item)] = true
	}
	return m
}
