package merge

import (
	"reflect"
	"unsafe"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
)

// Size returns about how much memory the overlay takes, in bytes: its text, its nodes
// and the values that they become.
func (o *Overlay) Size() int { return o.text + o.root.size() }

const (
	nodeSize   = int(unsafe.Sizeof(node{}))
	extrasSize = int(unsafe.Sizeof(extras{}))
	// entrySize is what an entry of a map takes, with the room that maps keep.
	entrySize = 96
	// unknownSize is what an object's map of unknown fields takes, however few.
	unknownSize = 400
)

func (n *node) size() int {
	sum := nodeSize
	if n.extras != nil {
		sum += extrasSize
		if !n.unknown.Empty() {
			sum += unknownSize + entrySize*n.unknown.Len()
		}
	}
	switch {
	case n.value == nil:
	case n.kind == list:
		sum += int(n.count) * int(reflect.TypeOf(n.value).Elem().Elem().Size())
	case n.field != nil && n.field.Type.Kind == podschema.Map:
		sum += int(n.count) * entrySize
	case n.field != nil && n.field.Pointer:
		sum += int(reflect.TypeOf(n.value).Elem().Size())
	}
	for _, m := range n.children() {
		sum += m.size()
	}
	return sum
}
