package merge

import (
	"slices"
	"strconv"
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

// resolver ties the entries of an overlay to the fields of a pod, so that
// merging has no names to look up, and checks every value that is certain to be
// used. Fields that are not known are taken out and reported.
type resolver struct {
	path    []string
	unknown []Unknown
}

func (r *resolver) value(n *node, t *podschema.Type) error {
	switch t.Kind {
	case podschema.Struct:
		if n.kind == object {
			return r.object(n, t)
		}
	case podschema.Map:
		if n.kind == object {
			return r.mapping(n, t)
		}
	case podschema.List:
		if n.kind == list {
			return r.list(n, t)
		}
	default:
		return check(n, t)
	}
	if n.kind == null {
		return nil
	}
	return wrong(n, t)
}

func (r *resolver) object(n *node, t *podschema.Type) error {
	if err := r.directives(n, t); err != nil {
		return err
	}
	kept := n.members[:0]
	for _, m := range n.members {
		r.path = append(r.path, m.name)
		if m.field = t.Field(m.name); m.field == nil {
			r.report(m.value)
		} else if err := r.value(m.value, m.field.Type); err != nil {
			return at(m.name, err)
		} else {
			kept = append(kept, m)
		}
		r.path = r.path[:len(r.path)-1]
	}
	n.members = kept
	return nil
}

func (r *resolver) mapping(n *node, t *podschema.Type) error {
	if err := r.directives(n, t); err != nil {
		return err
	}
	for _, m := range n.members {
		if err := r.value(m.value, t.Elem); err != nil {
			return at(m.name, err)
		}
	}
	return nil
}

func (r *resolver) list(n *node, t *podschema.Type) error {
	for i, item := range n.items {
		r.path = append(r.path, keyStep(t, item, i))
		if err := r.value(item, t.Elem); err != nil {
			return at(itemStep(item, i), err)
		}
		r.path = r.path[:len(r.path)-1]
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

// keyStep names an item by what it is told apart by, for programs.
func keyStep(t *podschema.Type, item *node, i int) string {
	if item.kind == object && len(t.Identity) > 0 {
		if key := item.member(t.Identity[0].Name); key != nil && (key.kind == text || key.kind == number) {
			return "[" + key.scalar + "]"
		}
	}
	return "[" + strconv.Itoa(i) + "]"
}

// directives takes an object's directives out of its members. They are told
// apart by their names alone, so none of them can be the name of a label.
func (r *resolver) directives(n *node, t *podschema.Type) error {
	if !slices.ContainsFunc(n.members, func(m member) bool { return strings.HasPrefix(m.name, "$") }) {
		return nil
	}
	kept := n.members[:0]
	for _, m := range n.members {
		var err error
		switch {
		case m.name == patchDirective:
			n.patch = m.value
		case m.name == retainDirective:
			n.retain = m.value
		case strings.HasPrefix(m.name, orderPrefix):
			n.orders, err = appendDirective(n.orders, m, orderPrefix, t)
		case strings.HasPrefix(m.name, deletionPrefix):
			n.deletions, err = appendDirective(n.deletions, m, deletionPrefix, t)
		default:
			kept = append(kept, m)
			continue
		}
		if err != nil {
			return at(m.name, err)
		}
		n.special = true
	}
	n.members = kept
	return nil
}

func appendDirective(all []directive, m member, prefix string, t *podschema.Type) ([]directive, error) {
	d := directive{name: strings.TrimPrefix(m.name, prefix), value: m.value}
	if t.Kind == podschema.Struct {
		d.field = t.Field(d.name)
	}
	// Both are about lists; of a list whose name is not known nothing can be
	// deleted, but the order of one is a mistake worth a word.
	if prefix == orderPrefix && (d.field == nil || d.field.Type.Kind != podschema.List) {
		return nil, errorf("there is no list %q to put in order", d.name)
	}
	if prefix == deletionPrefix && d.value.kind != list && d.value.kind != null {
		return nil, errorf("is %s, must be a list", d.value)
	}
	return append(all, d), nil
}

// Unknown is a field of an overlay that this version's pod type does not have.
// A newer API server may know it.
type Unknown struct {
	// Path leads there from the pod: field names, and for list items their key
	// in brackets, for example ["spec", "containers", "[istio-proxy]", "newField"].
	Path []string
	// Value is the field's JSON.
	Value []byte
}

func (u Unknown) String() string {
	var b strings.Builder
	for i, step := range u.Path {
		if i > 0 && !strings.HasPrefix(step, "[") {
			b.WriteByte('.')
		}
		b.WriteString(step)
	}
	return b.String()
}

func (r *resolver) report(value *node) {
	r.unknown = append(r.unknown, Unknown{Path: slices.Clone(r.path), Value: value.appendJSON(nil)})
}
