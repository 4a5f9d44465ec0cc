package merge

import (
	"reflect"
	"strings"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
)

// The directives of a strategic merge patch, as the Kubernetes API names them.
const (
	patchDirective  = "$patch"
	retainDirective = "$retainKeys"
	orderPrefix     = "$setElementOrder/"
	deletionPrefix  = "$deleteFromPrimitiveList/"

	replaceValue = "replace"
	deleteValue  = "delete"
)

// directives takes an object's directives out of its entries. They are told
// apart by their names alone, so none of them can be the name of a label.
func (r *resolver) directives(n *node, t *podschema.Type) error {
	if !hasDirectives(n) {
		return nil
	}
	n.directives = new(directives)
	m, kept := rebuild(n)
	for next := m; m != nil; m = next {
		next = m.next
		var err error
		switch {
		case m.name == patchDirective:
			n.patch = m
			n.special = true
		case m.name == retainDirective:
			n.retain = m
		case strings.HasPrefix(m.name, orderPrefix):
			n.orders, err = appendOrder(n.orders, m, t)
		case strings.HasPrefix(m.name, deletionPrefix):
			n.deletions, err = appendDeletion(n.deletions, m, t)
		default:
			kept.add(m)
		}
		if err != nil {
			return at(m.name, err)
		}
	}
	return nil
}

func hasDirectives(n *node) bool {
	for _, m := range n.children() {
		if strings.HasPrefix(m.name, "$") {
			return true
		}
	}
	return false
}

func newDirective(m *node, prefix string, t *podschema.Type) directive {
	d := directive{name: strings.TrimPrefix(m.name, prefix), value: m}
	if t.Kind == podschema.Struct {
		d.field = t.Field(d.name)
	}
	return d
}

// appendOrder refuses an order of a list whose name is not known: a mistake that
// is worth a word.
func appendOrder(all []directive, m *node, t *podschema.Type) ([]directive, error) {
	d := newDirective(m, orderPrefix, t)
	if d.field == nil || d.field.Type.Kind != podschema.List {
		return nil, errorf("there is no list %q to put in order", d.name)
	}
	return append(all, d), nil
}

// appendDeletion leaves a list whose name is not known alone: nothing can be
// deleted from it. Where the items are objects, the reference reads a deletion as
// one more list to merge, so its entries need their fields.
func appendDeletion(all []directive, m *node, t *podschema.Type) ([]directive, error) {
	d := newDirective(m, deletionPrefix, t)
	if m.kind != list && m.kind != null {
		return nil, errorf("is %s, must be a list", m)
	}
	if m.kind == list && d.field != nil && d.field.Type.Kind == podschema.List && d.field.Type.Elem.Kind == podschema.Struct {
		var r resolver
		if err := r.value(m, d.field.Type, reflect.New(d.field.Type.Go).Elem()); err != nil {
			return nil, err
		}
	}
	return append(all, d), nil
}
