package merge

import (
	"reflect"
	"strconv"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
)

// resolver ties the entries of an overlay to the fields of a pod, so that
// merging has no names to look up, checks every value that is certain to be
// used, and makes the values. Fields that are not known are taken out and
// reported.
type resolver struct {
	unknown []Unknown
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

// held is value for a place that may hold a pointer to it.
func (r *resolver) held(n *node, t *podschema.Type, pointer bool, dst reflect.Value) error {
	if pointer && n.kind != null {
		dst.Set(reflect.New(t.Go))
		n.value = dst.Interface()
		dst = dst.Elem()
	}
	return r.value(n, t, dst)
}

func (r *resolver) object(n *node, t *podschema.Type, dst reflect.Value) error {
	if err := r.directives(n, t); err != nil {
		return err
	}
	m, kept := rebuild(n)
	for next := m; m != nil; m = next {
		next = m.next
		mark := len(r.unknown)
		if m.field = t.Field(m.name); m.field == nil {
			r.report(m)
			continue
		}
		if err := r.held(m, m.field.Type, m.field.Pointer, m.field.Of(dst)); err != nil {
			return at(m.name, err)
		}
		r.found(mark, m.name)
		n.special = n.special || m.special
		kept.add(m)
	}
	return nil
}

func (r *resolver) mapping(n *node, t *podschema.Type, dst reflect.Value) error {
	if err := r.directives(n, t); err != nil {
		return err
	}
	for _, m := range n.children() {
		if t.Elem.Kind == podschema.String && !t.ElemPointer {
			if m.kind != text && m.kind != null {
				return at(m.name, wrong(m, t.Elem))
			}
		} else if err := r.held(m, t.Elem, t.ElemPointer, reflect.New(t.Go.Elem()).Elem()); err != nil {
			return at(m.name, err)
		}
		// A null in a map may be an entry or not, in a struct it never is.
		n.special = n.special || m.special || m.kind == null
	}
	if !n.special {
		buildMap(dst, t, n, asIs)
	}
	return nil
}

func (r *resolver) list(n *node, t *podschema.Type, dst reflect.Value) error {
	makeList(dst, t, int(n.count))
	for i, item := range n.children() {
		mark := len(r.unknown)
		if err := r.held(item, t.Elem, t.ElemPointer, dst.Index(i)); err != nil {
			return at(itemStep(item, i), err)
		}
		if len(r.unknown) > mark {
			r.found(mark, keyStep(t, item, i))
		}
		n.special = n.special || item.special
	}
	return nil
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
