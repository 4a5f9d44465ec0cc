package merge

import (
	"reflect"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
)

// How a value of the overlay becomes a value of the pod, where there is nothing
// to merge it with.
type taking uint8

const (
	// asIs keeps list items that carry a $patch directive, as plain items. So
	// does the reference where it adds an item to a list or replaces a value.
	asIs taking = iota
	// undirected leaves them out, and objects that carry one. So does the
	// reference for a list that comes with its order.
	undirected
	// cleaned leaves out entries of maps that are null as well. So does the
	// reference where the pod has no such field.
	cleaned
)

// keeps tells whether a value survives the cleaning.
func (t taking) keeps(n *node) bool {
	return t == asIs || n.kind != object || n.patch == nil
}

// build sets dst, which is the zero value, to the value of n.
func build(dst reflect.Value, t *podschema.Type, n *node, how taking) error {
	switch {
	case n.kind == null:
		return nil
	case t.Kind == podschema.Struct && n.kind == object:
		for i := range n.members {
			m := &n.members[i]
			if m.value.kind == null || !how.keeps(m.value) {
				continue
			}
			if err := buildField(dst, m.field, m.value, how); err != nil {
				return at(m.name, err)
			}
		}
		return nil
	case t.Kind == podschema.Map && n.kind == object:
		return buildMap(dst, t, n, how)
	case t.Kind == podschema.List && n.kind == list:
		return buildList(dst, t, n.items, how)
	case t.Kind == podschema.Struct, t.Kind == podschema.Map, t.Kind == podschema.List:
		return wrong(n, t)
	}
	return scalar(dst, t, n)
}

func buildField(owner reflect.Value, f *podschema.Field, n *node, how taking) error {
	return build(held(f.Of(owner), f.Pointer), f.Type, n, how)
}

// held returns the place where a value goes, behind a new pointer when it is
// held by one.
func held(dst reflect.Value, pointer bool) reflect.Value {
	if !pointer {
		return dst
	}
	dst.Set(reflect.New(dst.Type().Elem()))
	return dst.Elem()
}

func buildMap(dst reflect.Value, t *podschema.Type, n *node, how taking) error {
	m := reflect.MakeMapWithSize(t.Go, len(n.members))
	for i := range n.members {
		if err := buildEntry(m, t, &n.members[i], how); err != nil {
			return err
		}
	}
	dst.Set(m)
	return nil
}

// buildEntry sets one entry of a map. A null is dropped by cleaning and decodes
// to the zero value otherwise.
func buildEntry(m reflect.Value, t *podschema.Type, e *member, how taking) error {
	if how == cleaned && e.value.kind == null || !how.keeps(e.value) {
		return nil
	}
	v := reflect.New(t.Go.Elem()).Elem()
	if e.value.kind != null {
		if err := build(held(v, t.ElemPointer), t.Elem, e.value, how); err != nil {
			return at(e.name, err)
		}
	}
	m.SetMapIndex(reflect.ValueOf(e.name).Convert(t.Go.Key()), v)
	return nil
}

func buildList(dst reflect.Value, t *podschema.Type, items []*node, how taking) error {
	s := reflect.MakeSlice(t.Go, 0, len(items))
	for i, item := range items {
		if !how.keeps(item) {
			continue
		}
		s = s.Slice(0, s.Len()+1)
		if err := buildItem(s.Index(s.Len()-1), t, item, how); err != nil {
			return at(itemStep(item, i), err)
		}
	}
	dst.Set(s)
	return nil
}

func buildItem(dst reflect.Value, t *podschema.Type, item *node, how taking) error {
	if item.kind == null {
		return nil
	}
	return build(held(dst, t.ElemPointer), t.Elem, item, how)
}
