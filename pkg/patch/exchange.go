package patch

import (
	"reflect"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
)

// exchanged is the pod's spec after containers have changed lists. A nil one is
// of a spec where none has.
type exchanged struct {
	spec  reflect.Value
	lists [2]transfer
}

// list returns the text of a list of containers that others have come to or gone
// from.
func (e *exchanged) list(name string) *text {
	if e == nil {
		return nil
	}
	for i := range e.lists {
		if l := &e.lists[i]; l.name == name {
			return &text{known: true, parts: l.parts}
		}
	}
	return nil
}

// exchange moves containers that become init containers, and the other way
// round, so that they keep what we do not know of them. What it returns is what
// the rest of the comparison starts from.
func (d *differ) exchange(specBefore, specAfter reflect.Value, t *text) (*exchanged, error) {
	before, ok := specBefore.Addr().Interface().(*corev1.PodSpec)
	if !ok {
		return nil, nil
	}
	after := specAfter.Addr().Interface().(*corev1.PodSpec)
	if !crosses(before.Containers, after.InitContainers) && !crosses(before.InitContainers, after.Containers) {
		return nil, nil
	}
	spec := *before
	e := &exchanged{spec: reflect.ValueOf(&spec).Elem()}
	e.lists[0] = newTransfer("containers", before.Containers, after.Containers, t)
	e.lists[1] = newTransfer("initContainers", before.InitContainers, after.InitContainers, t)
	for i := range e.lists {
		if err := d.transfer(&e.lists[i], &e.lists[1-i]); err != nil {
			return nil, err
		}
	}
	spec.Containers, spec.InitContainers = e.lists[0].items, e.lists[1].items
	return e, nil
}

// crosses tells whether a container of one list is wanted in the other one.
func crosses(from, to []corev1.Container) bool {
	return slices.ContainsFunc(from, func(c corev1.Container) bool { return find(to, c.Name) >= 0 })
}

func find(list []corev1.Container, name string) int {
	for i := range list {
		if list[i].Name == name {
			return i
		}
	}
	return -1
}

// transfer is one of the two lists while containers change over.
type transfer struct {
	name  string
	items []corev1.Container // as they are now
	parts []part             // the same, as received
	there bool               // there is a list at all
	after []corev1.Container // as they are to be
}

func newTransfer(name string, before, after []corev1.Container, spec *text) transfer {
	l := transfer{name: name, items: slices.Clone(before), after: after, parts: make([]part, len(before)), there: len(before) > 0}
	in := spec.member(name)
	list := in.text()
	for i := range l.parts {
		l.parts[i] = list.item(i)
	}
	return l
}

// transfer moves every container that leaves src for dst, to a place right
// behind the one it is to follow. Names are unique in a valid pod; where they
// are not, nothing is moved that is wanted in both lists.
func (d *differ) transfer(src, dst *transfer) error {
	for i := 0; i < len(src.items); i++ {
		name := src.items[i].Name
		if find(src.after, name) >= 0 || find(dst.items, name) >= 0 || find(dst.after, name) < 0 {
			continue
		}
		if name == "" { // perhaps it is null
			raw, err := src.parts[i].bytes()
			if err != nil {
				return err
			}
			if !isObject(raw) {
				continue
			}
		}
		if !dst.there {
			d.putJSON("add", dst.name, []byte("[]"))
			dst.there = true
		}
		d.moveItem(src, i, dst, dst.placeOf(name))
		i--
	}
	return nil
}

// placeOf finds the place for a container to come: behind the one that it is to
// follow, or the next one before that.
func (l *transfer) placeOf(name string) int {
	for k := find(l.after, name) - 1; k >= 0; k-- {
		if j := find(l.items, l.after[k].Name); j >= 0 {
			return j + 1
		}
	}
	return 0
}

func (d *differ) moveItem(src *transfer, i int, dst *transfer, to int) {
	from := appendStep(appendStep(slices.Clone(d.path), src.name), strconv.Itoa(i))
	mark := d.down(dst.name)
	d.move(from, strconv.Itoa(to))
	d.path = d.path[:mark]
	dst.items = slices.Insert(dst.items, to, src.items[i])
	dst.parts = slices.Insert(dst.parts, to, src.parts[i])
	src.items = slices.Delete(src.items, i, i+1)
	src.parts = slices.Delete(src.parts, i, i+1)
}
