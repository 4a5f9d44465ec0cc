package merge

import (
	"maps"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
)

// present reports whether a pod's JSON shows a value that could be merged with:
// an empty map or list that is left out could not.
func present(f *podschema.Field, v reflect.Value) bool {
	switch {
	case f.Pointer:
		return !v.IsNil()
	case f.Type.Kind == podschema.Map || f.Type.Kind == podschema.List:
		if f.OmitEmpty {
			return v.Len() > 0
		}
		return !v.IsNil()
	case f.Type.Kind == podschema.Struct:
		return !f.OmitZero || !v.IsZero()
	}
	return true
}

// apply merges an object of the overlay into a struct or a map, and returns the
// unknown fields that the result has. dst itself is the caller's to write to. What
// it refers to may be shared, so whatever is changed below is copied first, level
// by level. The unknown fields given are not changed.
func apply(dst reflect.Value, unknown *podmodel.Fields, t *podschema.Type, n *node) (*podmodel.Fields, error) {
	if n.patched() {
		return applyPatch(dst, t, n)
	}
	if t.Kind == podschema.Map {
		ownMap(dst, t, int(n.count))
	}
	var err error
	if n.extras != nil {
		if unknown, err = applyDirectives(dst, unknown, t, n); err != nil {
			return nil, err
		}
	}
	if t.Kind == podschema.Map {
		applyEntries(dst, t, n)
		return nil, nil
	}
	owned := false
	for _, m := range n.children() {
		switch {
		case n.ordered(m.name):
		case m.field == nil:
			if !owned {
				unknown, owned = unknown.Clone(), true
			}
			mergeUnknown(unknown, m)
		default:
			old := unknown.Below(m.name)
			below, err := applyField(dst, old, m.field, m)
			if err != nil {
				return nil, at(m.name, err)
			}
			if below != old {
				unknown, owned = unknown.WithBelow(m.name, below), false
			}
		}
	}
	if unknown.Empty() {
		return nil, nil
	}
	return unknown, nil
}

// ordered reports whether a list has been merged together with its order.
func (n *node) ordered(name string) bool {
	return n.extras != nil && slices.ContainsFunc(n.orders, func(d directive) bool { return d.name == name })
}

func applyDirectives(dst reflect.Value, unknown *podmodel.Fields, t *podschema.Type, n *node) (*podmodel.Fields, error) {
	unknown, err := applyRetain(dst, unknown, t, n)
	if err != nil {
		return nil, at(retainDirective, err)
	}
	for i := range n.orders {
		d := &n.orders[i]
		below, err := applyOrder(dst, unknown.Below(d.name), d, n.member(d.name))
		if err != nil {
			return nil, at(d.name, err)
		}
		unknown = unknown.WithBelow(d.name, below)
	}
	for i := range n.deletions {
		applyDeletion(dst, &n.deletions[i])
	}
	return unknown, nil
}

func applyPatch(dst reflect.Value, t *podschema.Type, n *node) (*podmodel.Fields, error) {
	switch {
	case n.patch.kind == text && n.patch.scalar == replaceValue:
		dst.Set(reflect.ValueOf(n.value).Elem())
		return n.fields(), nil
	case n.patch.kind == text && n.patch.scalar == deleteValue:
		dst.SetZero()
		if t.Kind == podschema.Map {
			dst.Set(reflect.MakeMap(t.Go))
		}
		return nil, nil
	}
	return nil, at(patchDirective, errorf("is %s, must be %q or %q", n.patch, replaceValue, deleteValue))
}

// applyRetain clears what $retainKeys does not name. Whatever the overlay sets
// must be named.
func applyRetain(dst reflect.Value, unknown *podmodel.Fields, t *podschema.Type, n *node) (*podmodel.Fields, error) {
	if n.retain == nil {
		return unknown, nil
	}
	if n.retain.kind != list {
		return nil, errorf("is %s, must be a list of names", n.retain)
	}
	names := make(map[string]bool, n.retain.count)
	for _, item := range n.retain.children() {
		if item.kind != text {
			return nil, errorf("contains %s, must be a list of names", item)
		}
		names[item.scalar] = true
	}
	for _, m := range n.children() {
		if m.kind != null && !names[m.name] {
			return nil, errorf("does not name %q, which is set beside it", m.name)
		}
	}
	if t.Kind == podschema.Map {
		for _, key := range dst.MapKeys() {
			if !names[key.String()] {
				dst.SetMapIndex(key, reflect.Value{})
			}
		}
		return nil, nil
	}
	kept := unknown.Clone()
	for name := range unknown.Values() {
		if !names[name] {
			kept.Set(name, nil)
		}
	}
	for i := range t.Fields {
		if f := &t.Fields[i]; !names[f.Name] {
			f.Of(dst).SetZero()
			kept.SetBelow(f.Name, nil)
		}
	}
	return kept, nil
}

// ownMap replaces a map by a copy with room for more entries, or by a new one.
func ownMap(dst reflect.Value, t *podschema.Type, more int) {
	switch m := dst.Addr().Interface().(type) {
	case *map[string]string:
		*m = cloneMap(*m, more)
	case *corev1.ResourceList:
		*m = cloneMap(*m, more)
	default:
		out := reflect.MakeMapWithSize(t.Go, dst.Len()+more)
		for entries := dst.MapRange(); entries.Next(); {
			out.SetMapIndex(entries.Key(), entries.Value())
		}
		dst.Set(out)
	}
}

func cloneMap[M ~map[K]V, K comparable, V any](m M, more int) M {
	out := make(M, len(m)+more)
	maps.Copy(out, m)
	return out
}

func applyEntries(dst reflect.Value, t *podschema.Type, n *node) {
	switch entries := dst.Addr().Interface().(type) {
	case *map[string]string:
		mergeEntries(*entries, n)
	case *corev1.ResourceList:
		mergeEntries(*entries, n)
	default:
		added := reflect.ValueOf(n.value).Elem()
		for _, m := range n.children() {
			key, value := mapKey(t, m.name), reflect.Value{}
			if m.kind != null {
				value = added.MapIndex(key)
			}
			dst.SetMapIndex(key, value)
		}
	}
}

// mergeEntries is applyEntries without reflection.
func mergeEntries[M ~map[K]V, K ~string, V any](dst M, n *node) {
	for _, m := range n.children() {
		if m.kind == null {
			delete(dst, K(m.name))
		}
	}
	maps.Copy(dst, *n.value.(*M))
}

// applyField merges a value of the overlay into a field, and returns the unknown
// fields below it.
func applyField(owner reflect.Value, unknown *podmodel.Fields, f *podschema.Field, n *node) (*podmodel.Fields, error) {
	dst := f.Of(owner)
	if n.kind != null && present(f, dst) {
		switch {
		case n.kind == object && !f.Replace && (f.Type.Kind == podschema.Struct || f.Type.Kind == podschema.Map):
			return apply(ownHeld(dst, f.Pointer), unknown, f.Type, n)
		case n.kind == list && f.Type.Kind == podschema.List && f.Merge:
			return applyList(dst, unknown, f, n)
		}
	}
	dst.SetZero()
	if n.kind == null || n.patched() {
		return nil, nil
	}
	set(dst, f.Type, f.Pointer, n)
	return n.fields(), nil
}

// set sets dst to the value of n.
func set(dst reflect.Value, t *podschema.Type, pointer bool, n *node) {
	switch {
	case n.kind == null:
	case pointer:
		dst.Set(reflect.ValueOf(n.value))
	case n.value != nil:
		dst.Set(reflect.ValueOf(n.value).Elem())
	default:
		_ = scalar(dst, t, n) // as the resolver has done, without an error
	}
}

// ownHeld returns the value to write to, which a pointer to it no longer shares.
func ownHeld(dst reflect.Value, pointer bool) reflect.Value {
	if !pointer {
		return dst
	}
	shared := dst.Elem()
	dst.Set(reflect.New(shared.Type()))
	dst.Elem().Set(shared)
	return dst.Elem()
}

// applyDeletion removes plain values from a list.
func applyDeletion(owner reflect.Value, d *directive) {
	if d.field == nil {
		return
	}
	dst := d.field.Of(owner)
	if d.value.kind == null {
		dst.SetZero()
		return
	}
	if d.field.Type.Kind != podschema.List || !present(d.field, dst) {
		return
	}
	deleted := make(map[ident]bool, d.value.count)
	for _, item := range d.value.children() {
		deleted[identOfNode(item)] = true
	}
	kept := reflect.MakeSlice(dst.Type(), 0, dst.Len())
	for i := range dst.Len() {
		if !deleted[identOf(dst.Index(i))] {
			kept = reflect.Append(kept, dst.Index(i))
		}
	}
	dst.Set(kept)
}
