package merge

import (
	"reflect"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
)

// applyList merges a list of the overlay into one that is there and merges.
func applyList(dst reflect.Value, unknown *podmodel.Fields, f *podschema.Field, n *node) (*podmodel.Fields, error) {
	if f.Key() != nil {
		return applyKeyed(dst, unknown, f, n)
	}
	applySet(dst, f, n)
	return nil, nil
}

// applySet joins two lists of plain values without repeating any.
func applySet(dst reflect.Value, f *podschema.Field, n *node) {
	before := idents(dst, nil)
	added := reflect.ValueOf(n.value).Elem()
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
	dst.Set(elements{list: merged}.permuted(arrange(ids, wanted, before)).list)
}

// copyList returns a copy with room for more items.
func copyList(s reflect.Value, more int) reflect.Value {
	out := reflect.MakeSlice(s.Type(), s.Len(), s.Len()+more)
	reflect.Copy(out, s)
	return out
}

// idents lists the merge keys of a list's items, or the items when key is nil.
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
