package merge

import (
	"maps"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
)

// presence tells what counts as there when two values meet. It decides between
// merging and taking, which treat directives in different ways.
type presence bool

const (
	// ofPod: what the pod's JSON would show, so an empty map is not there.
	ofPod presence = false
	// ofOverlay: the value was itself taken from the overlay a moment ago, so
	// an empty map is there if it was written down.
	ofOverlay presence = true
)

func (p presence) of(f *podschema.Field, v reflect.Value) bool {
	switch {
	case f.Pointer:
		return !v.IsNil()
	case f.Type.Kind == podschema.Map || f.Type.Kind == podschema.List:
		if f.OmitEmpty && p == ofPod {
			return v.Len() > 0
		}
		return !v.IsNil()
	case f.Type.Kind == podschema.Struct:
		return p == ofPod && !f.OmitZero || !v.IsZero()
	}
	return true
}

// apply merges an object of the overlay into a struct or a map that is there.
// dst itself is the caller's to write to. What it refers to may be shared, so
// whatever is changed below is copied first, level by level.
func apply(dst reflect.Value, t *podschema.Type, n *node, p presence) error {
	if n.patched() {
		return applyPatch(dst, t, n)
	}
	if t.Kind == podschema.Map {
		ownMap(dst, t, int(n.count))
	}
	if n.directives != nil {
		if err := applyDirectives(dst, t, n, p); err != nil {
			return err
		}
	}
	if t.Kind == podschema.Map {
		applyEntries(dst, t, n)
		return nil
	}
	for _, m := range n.children() {
		if n.ordered(m.name) {
			continue
		}
		if err := applyField(dst, m.field, m, p); err != nil {
			return at(m.name, err)
		}
	}
	return nil
}

// ordered tells whether a list has been merged together with its order.
func (n *node) ordered(name string) bool {
	return n.directives != nil && slices.ContainsFunc(n.orders, func(d directive) bool { return d.name == name })
}

func applyDirectives(dst reflect.Value, t *podschema.Type, n *node, p presence) error {
	if err := applyRetain(dst, t, n); err != nil {
		return at(retainDirective, err)
	}
	for i := range n.orders {
		d := &n.orders[i]
		if err := applyOrder(dst, d, n.member(d.name), p); err != nil {
			return at(d.name, err)
		}
	}
	for i := range n.deletions {
		if err := applyDeletion(dst, &n.deletions[i], p); err != nil {
			return at(deletionPrefix+n.deletions[i].name, err)
		}
	}
	return nil
}

func applyPatch(dst reflect.Value, t *podschema.Type, n *node) error {
	switch {
	case n.patch.kind == text && n.patch.scalar == replaceValue:
		dst.SetZero()
		build(dst, t, n, asIs)
		return nil
	case n.patch.kind == text && n.patch.scalar == deleteValue:
		dst.SetZero()
		if t.Kind == podschema.Map {
			dst.Set(reflect.MakeMap(t.Go))
		}
		return nil
	}
	return at(patchDirective, errorf("is %s, must be %q or %q", n.patch, replaceValue, deleteValue))
}

// applyRetain clears what $retainKeys does not name. Whatever the overlay sets
// must be named.
func applyRetain(dst reflect.Value, t *podschema.Type, n *node) error {
	if n.retain == nil {
		return nil
	}
	if n.retain.kind != list {
		return errorf("is %s, must be a list of names", n.retain)
	}
	names := make(map[string]bool, n.retain.count)
	for _, item := range n.retain.children() {
		if item.kind != text {
			return errorf("contains %s, must be a list of names", item)
		}
		names[item.scalar] = true
	}
	for _, m := range n.children() {
		if m.kind != null && !names[m.name] {
			return errorf("does not name %q, which is set beside it", m.name)
		}
	}
	if t.Kind == podschema.Map {
		for _, key := range dst.MapKeys() {
			if !names[key.String()] {
				dst.SetMapIndex(key, reflect.Value{})
			}
		}
		return nil
	}
	for i := range t.Fields {
		if f := &t.Fields[i]; !names[f.Name] {
			f.Of(dst).SetZero()
		}
	}
	return nil
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
	for _, m := range n.children() {
		if m.kind == null {
			dst.SetMapIndex(mapKey(t, m.name), reflect.Value{})
		} else {
			buildEntry(dst, t, m, cleaned)
		}
	}
}

func applyField(owner reflect.Value, f *podschema.Field, n *node, p presence) error {
	dst := f.Of(owner)
	taken := f.Type.Kind == podschema.Struct || f.Type.Kind == podschema.Map
	switch {
	case n.kind == null || !p.of(f, dst):
	case n.kind == object && f.Replace:
		dst.SetZero()
		buildHeld(dst, f.Type, f.Pointer, n, asIs)
		return nil
	case n.kind == object && taken:
		return apply(ownHeld(dst, f.Pointer), f.Type, n, p)
	case n.kind == list && f.Type.Kind == podschema.List:
		return applyList(dst, f, n, p)
	}
	dst.SetZero()
	if cleaned.keeps(n) {
		buildHeld(dst, f.Type, f.Pointer, n, cleaned)
	}
	return nil
}

// ownHeld returns the place where a value stands, which a pointer to it has to
// itself from now on.
func ownHeld(dst reflect.Value, pointer bool) reflect.Value {
	if !pointer {
		return dst
	}
	shared := dst.Elem()
	dst.Set(reflect.New(shared.Type()))
	dst.Elem().Set(shared)
	return dst.Elem()
}

// applyDeletion removes scalars from a list. For a list of objects the reference
// reads it as one more list to merge.
func applyDeletion(owner reflect.Value, d *directive, p presence) error {
	if d.field == nil {
		return nil
	}
	dst := d.field.Of(owner)
	switch {
	case d.value.kind == null:
		dst.SetZero()
		return nil
	case d.field.Type.Kind != podschema.List || d.value.kind != list || !p.of(d.field, dst):
		return nil
	case d.field.Type.Elem.Kind == podschema.Struct:
		if d.field.Key() == nil {
			return errorf("the items of this list have no key to be told apart by")
		}
		return applyKeyed(dst, d.field, d.value, p)
	}
	drop := scalarKeys(d.value)
	kept := reflect.MakeSlice(dst.Type(), 0, dst.Len())
	for i := range dst.Len() {
		if !drop[identOf(dst.Index(i))] {
			kept = reflect.Append(kept, dst.Index(i))
		}
	}
	dst.Set(kept)
	return nil
}
