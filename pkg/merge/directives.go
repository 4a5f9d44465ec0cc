package merge

import (
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
	e := n.extra()
	m, kept := rebuild(n)
	for next := m; m != nil; m = next {
		next = m.next
		var err error
		switch {
		case m.name == patchDirective:
			e.patch = m
		case m.name == retainDirective:
			e.retain = m
		case strings.HasPrefix(m.name, orderPrefix):
			e.orders, err = appendOrder(e.orders, m, t)
		case strings.HasPrefix(m.name, deletionPrefix):
			e.deletions, err = appendDeletion(e.deletions, m, t)
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
// deleted from it.
func appendDeletion(all []directive, m *node, t *podschema.Type) ([]directive, error) {
	d := newDirective(m, deletionPrefix, t)
	switch {
	case m.kind != list && m.kind != null:
		return nil, errorf("is %s, must be a list", m)
	case d.field != nil && d.field.Type.Kind == podschema.List && d.field.Type.Elem.Kind == podschema.Struct:
		return nil, errorf("is for lists of plain values; to delete from %s, list the item with %s: %s", d.name, patchDirective, deleteValue)
	}
	return append(all, d), nil
}
