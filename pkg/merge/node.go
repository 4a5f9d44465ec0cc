package merge

import (
	"encoding/json"
	"strconv"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
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
	kind    kind
	scalar  string   // text as it is, numbers and booleans as JSON writes them
	members []member // of an object, known fields and map entries only
	items   []*node  // of a list

	// The directives of an object, taken out of its members.
	patch     *node       // $patch
	retain    *node       // $retainKeys
	orders    []directive // $setElementOrder/FIELD
	deletions []directive // $deleteFromPrimitiveList/FIELD

	// special is set when a directive or a null is in here, at any depth: only
	// then does it matter whether a value is taken as it is or cleaned.
	special bool
}

// member is an entry of an object. The field is nil for entries of a map.
type member struct {
	name  string
	field *podschema.Field
	value *node
}

// directive is about the list in a named field of the object it stands in.
type directive struct {
	name  string
	field *podschema.Field
	value *node
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

// member finds an entry by name, null ones included.
func (n *node) member(name string) *node {
	for i := range n.members {
		if n.members[i].name == name {
			return n.members[i].value
		}
	}
	return nil
}

// appendJSON writes the node back as JSON, for types that read their own.
func (n *node) appendJSON(b []byte) []byte {
	switch n.kind {
	case null:
		return append(b, "null"...)
	case boolean, number:
		return append(b, n.scalar...)
	case text:
		return appendString(b, n.scalar)
	case object:
		b = append(b, '{')
		for i, m := range n.members {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(b, m.name)
			b = append(b, ':')
			b = m.value.appendJSON(b)
		}
		return append(b, '}')
	default:
		b = append(b, '[')
		for i, item := range n.items {
			if i > 0 {
				b = append(b, ',')
			}
			b = item.appendJSON(b)
		}
		return append(b, ']')
	}
}

func appendString(b []byte, s string) []byte {
	q, err := json.Marshal(s)
	if err != nil { // not for strings
		return append(b, `""`...)
	}
	return append(b, q...)
}
