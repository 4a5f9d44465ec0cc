package merge

import (
	"reflect"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

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
	return t == asIs || n.kind != object || !n.patched()
}

// build sets dst, which is the zero value, to the value of n. Only a special
// node has to be taken apart; of the others a scalar is set and the rest is there.
func build(dst reflect.Value, t *podschema.Type, n *node, how taking) {
	switch {
	case n.kind == null:
	case !n.special && n.value != nil:
		dst.Set(reflect.ValueOf(n.value).Elem())
	case n.kind == list:
		buildList(dst, t, n, how)
	case t.Kind == podschema.Struct:
		for _, m := range n.children() {
			if m.kind != null && how.keeps(m) {
				buildHeld(m.field.Of(dst), m.field.Type, m.field.Pointer, m, how)
			}
		}
	case t.Kind == podschema.Map:
		buildMap(dst, t, n, how)
	default:
		_ = scalar(dst, t, n) // as the resolver has done, without an error
	}
}

// buildHeld is build for a place that may hold a pointer to the value.
func buildHeld(dst reflect.Value, t *podschema.Type, pointer bool, n *node, how taking) {
	switch {
	case n.kind == null:
	case !pointer:
		build(dst, t, n, how)
	case !n.special:
		dst.Set(reflect.ValueOf(n.value))
	default:
		dst.Set(reflect.New(t.Go))
		build(dst.Elem(), t, n, how)
	}
}

func buildMap(dst reflect.Value, t *podschema.Type, n *node, how taking) {
	dst.Set(reflect.MakeMapWithSize(t.Go, int(n.count)))
	for _, m := range n.children() {
		buildEntry(dst, t, m, how)
	}
}

// buildEntry sets one entry of a map. A null is dropped by cleaning and decodes
// to the zero value otherwise. Nearly all maps of a pod are of two types, which
// need no reflection.
func buildEntry(dst reflect.Value, t *podschema.Type, e *node, how taking) {
	if how == cleaned && e.kind == null || !how.keeps(e) {
		return
	}
	switch m := dst.Addr().Interface().(type) {
	case *map[string]string:
		(*m)[e.name] = e.scalar
	case *corev1.ResourceList:
		var q resource.Quantity
		if e.kind != null {
			q = *e.value.(*resource.Quantity)
		}
		(*m)[corev1.ResourceName(e.name)] = q
	default:
		v := reflect.New(t.Go.Elem()).Elem()
		buildHeld(v, t.Elem, t.ElemPointer, e, how)
		dst.SetMapIndex(mapKey(t, e.name), v)
	}
}

func mapKey(t *podschema.Type, name string) reflect.Value {
	key := reflect.New(t.Go.Key()).Elem()
	key.SetString(name)
	return key
}

func buildList(dst reflect.Value, t *podschema.Type, n *node, how taking) {
	makeList(dst, t, int(n.count))
	kept := 0
	for _, item := range n.children() {
		if how.keeps(item) {
			buildHeld(dst.Index(kept), t.Elem, t.ElemPointer, item, how)
			kept++
		}
	}
	dst.Set(dst.Slice3(0, kept, kept))
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
