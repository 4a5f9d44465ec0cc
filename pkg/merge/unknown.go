package merge

import (
	"slices"
	"strconv"
	"strings"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
)

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

// report notes an unknown field. Paths are put together on the way out, last
// step first, so that overlays without unknown fields, most of them, pay nothing.
func (r *resolver) report(m *node) {
	r.unknown = append(r.unknown, Unknown{Path: []string{m.name}, Value: m.appendJSON(nil)})
}

// found adds a step to the paths of the fields reported since the mark.
func (r *resolver) found(mark int, step string) {
	for i := range r.unknown[mark:] {
		u := &r.unknown[mark+i]
		u.Path = append(u.Path, step)
	}
}

// reported returns what has been reported, paths first step first.
func (r *resolver) reported() []Unknown {
	for i := range r.unknown {
		u := &r.unknown[i]
		u.Path = slices.Clip(u.Path)
		slices.Reverse(u.Path)
	}
	return r.unknown
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
