package merge

import (
	"strconv"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
)

type kind uint8

const (
	null kind = iota
	boolean
	number
	text
	object
	list
)

func (k kind) String() string {
	return [...]string{"null", "true or false", "a number", "text", "an object", "a list"}[k]
}

// node is a value of an overlay. Nodes do not change once ParseOverlay is done.
type node struct {
	kind        kind
	count       int32            // of children
	first, next *node            // its first child, and the next one of its parent's
	name        string           // of an entry of an object
	field       *podschema.Field // of an entry of a struct; nil for an unknown field
	scalar      string           // text as it is, numbers and booleans as JSON writes them
	*extras                      // nil for most

	// value points to the typed value that the node becomes where there is nothing
	// to merge it with. It is made once, and every pod that takes it shares its
	// memory: nobody writes to it or below it. Text, numbers and booleans that are
	// not held by pointer have none, they are set from scalar.
	value any
}

// extras are what few nodes have: the directives of an object, taken out of its
// entries, and unknown fields.
type extras struct {
	patch     *node       // $patch
	retain    *node       // $retainKeys
	orders    []directive // $setElementOrder/FIELD
	deletions []directive // $deleteFromPrimitiveList/FIELD

	// unknown belongs to value: the fields that its Go types do not have.
	unknown *podmodel.Fields
}

// directive is about the list in a named field of the object it stands in.
type directive struct {
	name  string
	field *podschema.Field
	value *node
}

// extra returns the node's extras to be written to.
func (n *node) extra() *extras {
	if n.extras == nil {
		n.extras = new(extras)
	}
	return n.extras
}

// patched reports whether an object carries a $patch directive.
func (n *node) patched() bool { return n.extras != nil && n.patch != nil }

// directed reports whether there is a directive here or below.
func (n *node) directed() bool {
	if e := n.extras; e != nil && (e.patch != nil || e.retain != nil || e.orders != nil || e.deletions != nil) {
		return true
	}
	for _, m := range n.children() {
		if m.directed() {
			return true
		}
	}
	return false
}

// fields returns the unknown fields of the node's value.
func (n *node) fields() *podmodel.Fields {
	if n.extras == nil {
		return nil
	}
	return n.unknown
}

// String is the value as an error shows it, shortened.
func (n *node) String() string {
	const limit = 60
	var s string
	switch n.kind {
	case text:
		s = strconv.Quote(n.scalar)
	case number, boolean:
		s = n.scalar
	default:
		return n.kind.String()
	}
	if len(s) > limit {
		return s[:limit] + "..."
	}
	return s
}

// appendJSON writes the node back as JSON, for types that read their own.
func (n *node) appendJSON(b []byte) []byte {
	switch n.kind {
	case null:
		return append(b, "null"...)
	case boolean, number:
		return append(b, n.scalar...)
	case text:
		return podmodel.AppendQuoted(b, n.scalar)
	case object:
		b = append(b, '{')
		for i, m := range n.children() {
			if i > 0 {
				b = append(b, ',')
			}
			b = podmodel.AppendQuoted(b, m.name)
			b = append(b, ':')
			b = m.appendJSON(b)
		}
		return append(b, '}')
	default:
		b = append(b, '[')
		for i, item := range n.children() {
			if i > 0 {
				b = append(b, ',')
			}
			b = item.appendJSON(b)
		}
		return append(b, ']')
	}
}
