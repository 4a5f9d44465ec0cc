package merge

import (
	"encoding/json"
	"strconv"
	"strings"

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
	kind kind
	// special is set when it depends on the place in the pod what the node
	// becomes, because a directive or a null is in here, at any depth.
	special     bool
	count       int32            // of children
	first, next *node            // its first child, and the next one of its parent's
	name        string           // of an entry of an object
	field       *podschema.Field // of an entry of a struct
	scalar      string           // text as it is, numbers and booleans as JSON writes them
	*directives

	// value points to what the node becomes in a pod, unless it is special. It
	// is made once, and every pod that takes it shares its memory: nobody writes
	// to it or below it.
	value any
}

// directives are the directives of an object, taken out of its entries.
type directives struct {
	patch     *node       // $patch
	retain    *node       // $retainKeys
	orders    []directive // $setElementOrder/FIELD
	deletions []directive // $deleteFromPrimitiveList/FIELD
}

// directive is about the list in a named field of the object it stands in.
type directive struct {
	name  string
	field *podschema.Field
	value *node
}

// patched tells whether an object carries a $patch directive.
func (n *node) patched() bool { return n.directives != nil && n.patch != nil }

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
		return appendString(b, n.scalar)
	case object:
		b = append(b, '{')
		for i, m := range n.children() {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(b, m.name)
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

func appendString(b []byte, s string) []byte {
	if !strings.ContainsFunc(s, needsEscape) {
		return append(append(append(b, '"'), s...), '"')
	}
	q, err := json.Marshal(s)
	if err != nil { // not for strings
		return append(b, `""`...)
	}
	return append(b, q...)
}

func needsEscape(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }
