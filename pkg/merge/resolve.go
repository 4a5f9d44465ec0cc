package merge

import (
	"context"
	"reflect"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
)

// resolver ties the entries of an overlay to the fields of a pod, so that
// merging has no names to look up, checks every value, and makes the values that
// entries become where there is nothing to merge them with. Such a value has no
// directives: an object with $patch is left out of it, and so is a null.
type resolver struct {
	ctx  context.Context // ends the work
	text int             // the length of the text
	// unique is set when a list must not hold two elements of one full identity.
	unique bool
}

// value makes the value of a node in dst, which is the zero value of t.
func (r *resolver) value(n *node, t *podschema.Type, dst reflect.Value) error {
	switch {
	case n.kind == null:
		return nil
	case t.Kind == podschema.Struct && n.kind == object:
		n.value = dst.Addr().Interface()
		return r.object(n, t, dst)
	case t.Kind == podschema.Map && n.kind == object:
		n.value = dst.Addr().Interface()
		return r.mapping(n, t, dst)
	case t.Kind == podschema.List && n.kind == list:
		n.value = dst.Addr().Interface()
		return r.list(n, t, dst)
	case t.Kind == podschema.Struct, t.Kind == podschema.Map, t.Kind == podschema.List:
		return wrong(n, t)
	}
	if t.Kind == podschema.Leaf {
		n.value = dst.Addr().Interface()
	}
	return scalar(dst, t, n)
}

// entry is value for a field or an element, which may be held by pointer. What
// carries $patch is taken out of dst again.
func (r *resolver) entry(n *node, t *podschema.Type, pointer bool, dst reflect.Value) error {
	target := dst
	if pointer && n.kind != null {
		dst.Set(reflect.New(t.Go))
		n.value = dst.Interface()
		target = dst.Elem()
	}
	if err := r.value(n, t, target); err != nil {
		return err
	}
	if n.patched() {
		own := reflect.New(t.Go)
		own.Elem().Set(target)
		n.value = own.Interface()
		dst.SetZero()
	}
	return nil
}

func (r *resolver) object(n *node, t *podschema.Type, dst reflect.Value) error {
	if err := r.directives(n, t); err != nil {
		return err
	}
	var unknown *podmodel.Fields
	for _, m := range n.children() {
		if m.field = t.Field(m.name); m.field == nil {
			if m.kind != null && !hasPatch(m) {
				unknown = cloneOnce(unknown)
				unknown.Set(m.name, m.appendPlain(nil))
			}
			continue
		}
		if err := r.entry(m, m.field.Type, m.field.Pointer, m.field.Of(dst)); err != nil {
			return at(m.name, err)
		}
		if err := r.checkUnique(m); err != nil {
			return at(m.name, err)
		}
		if below := m.fields(); below != nil && !m.patched() {
			unknown = cloneOnce(unknown)
			unknown.SetBelow(m.name, below)
		}
	}
	if unknown != nil {
		n.extra().unknown = unknown
	}
	return nil
}

func cloneOnce(f *podmodel.Fields) *podmodel.Fields {
	if f == nil {
		return f.Clone()
	}
	return f
}

func (r *resolver) mapping(n *node, t *podschema.Type, dst reflect.Value) error {
	if err := r.directives(n, t); err != nil {
		return err
	}
	dst.Set(reflect.MakeMapWithSize(t.Go, int(n.count)))
	for _, m := range n.children() {
		if m.kind == null {
			continue
		}
		if err := r.mapEntry(m, t, dst); err != nil {
			return at(m.name, err)
		}
	}
	return nil
}

// mapEntry sets one entry of a map. Nearly all maps of a pod are of two types, which
// need no reflection.
func (r *resolver) mapEntry(m *node, t *podschema.Type, dst reflect.Value) error {
	switch entries := dst.Addr().Interface().(type) {
	case *map[string]string:
		if m.kind != text {
			return wrong(m, t.Elem)
		}
		(*entries)[m.name] = m.scalar
		return nil
	case *corev1.ResourceList:
		var q resource.Quantity
		if err := decode(m, &q); err != nil {
			return invalid(m, t.Elem, err)
		}
		(*entries)[corev1.ResourceName(m.name)] = q
		return nil
	}
	v := reflect.New(t.Go.Elem()).Elem()
	if err := r.entry(m, t.Elem, t.ElemPointer, v); err != nil {
		return err
	}
	if !m.patched() {
		dst.SetMapIndex(mapKey(t, m.name), v)
	}
	return nil
}

func mapKey(t *podschema.Type, name string) reflect.Value {
	return reflect.ValueOf(name).Convert(t.Go.Key())
}

func (r *resolver) list(n *node, t *podschema.Type, dst reflect.Value) error {
	makeList(dst, t, int(n.count))
	kept := 0
	var unknown []*podmodel.Fields
	for i, item := range n.children() {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		if err := r.entry(item, t.Elem, t.ElemPointer, dst.Index(kept)); err != nil {
			return at(itemStep(item, i), err)
		}
		if item.patched() {
			continue
		}
		if below := item.fields(); below != nil {
			if unknown == nil {
				unknown = make([]*podmodel.Fields, n.count)
			}
			unknown[kept] = below
		}
		kept++
	}
	if kept < int(n.count) {
		dst.Set(dst.Slice3(0, kept, kept))
	}
	if unknown != nil {
		n.extra().unknown = podmodel.JoinItems(t, dst, unknown[:kept])
	}
	return nil
}

// makeList sets dst to a list without room for more: what is appended to a list
// that is shared must never go into its memory.
func makeList(dst reflect.Value, t *podschema.Type, length int) {
	if length == 0 {
		dst.Set(reflect.MakeSlice(t.Go, 0, 0))
		return
	}
	dst.Grow(length)
	dst.SetLen(length)
	dst.SetCap(length)
}

// checkUnique refuses a list with two elements of one full identity. It would
// depend on the pod what becomes of the two: both are added where the pod has no
// such list, and the second is merged onto the first where it has one.
//
// Variables may be given twice, as API servers allow it, and templates rely on it
// that list the variables of a proxy configuration behind their own.
func (r *resolver) checkUnique(n *node) error {
	if !r.unique || n.kind != list || n.field.Key() == nil || n.field.Name == variables {
		return nil
	}
	const few = 16 // elements, up to which comparing all of them costs less than a map
	t := n.field.Type
	var seen map[string]bool
	if n.count > few {
		seen = make(map[string]bool, n.count)
	}
	for i, item := range n.children() {
		if item.kind != object {
			continue
		}
		element := reflect.ValueOf(item.value).Elem()
		twice := false
		if seen == nil {
			for first := n.first; first != item && !twice; first = first.next {
				twice = first.kind == object && t.SameIdentity(reflect.ValueOf(first.value).Elem(), element)
			}
		} else {
			id := t.Identify(element)
			twice, seen[id] = seen[id], true
		}
		if twice {
			return at(itemStep(item, i), errorf("is in the list twice: two elements have the same %s; merge them into one", identityNames(t)))
		}
	}
	return nil
}

// variables is the name of the lists of environment variables.
const variables = "env"

func identityNames(t *podschema.Type) string {
	names := t.Identity[0].Name
	for _, f := range t.Identity[1:] {
		names += " and " + f.Name
	}
	return names
}

// itemStep names an item in a path by its name where it has one: people count
// list items badly.
func itemStep(item *node, i int) string {
	if item.kind == object {
		if name := item.member("name"); name != nil && name.kind == text {
			return "[" + name.scalar + "]"
		}
	}
	return "[" + strconv.Itoa(i) + "]"
}
