package podgen

import (
	"strings"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
)

// IsUnknown reports whether AddUnknown has made a field's name.
func IsUnknown(name string) bool { return strings.HasPrefix(name, "new") }

// AddUnknown adds fields that the Go types do not have to the JSON data of a pod
// or overlay, at every level and in every kind of list. For an overlay, nulls and
// directives are among them.
func (g *Gen) AddUnknown(data any, t *podschema.Type, overlay bool) {
	switch v := data.(type) {
	case map[string]any:
		for i := range t.Fields {
			f := &t.Fields[i]
			if below, ok := v[f.Name]; ok && f.Name != "managedFields" {
				g.AddUnknown(below, f.Type, overlay)
			}
		}
		if t.Kind == podschema.Struct {
			for range g.Rand.IntN(3) {
				v[g.unknownName()] = g.unknownValue(2, overlay)
			}
		}
	case []any:
		if t.Kind == podschema.List {
			for _, item := range v {
				g.AddUnknown(item, t.Elem, overlay)
			}
		}
	}
}

func (g *Gen) unknownName() string { return "new" + g.pick("A", "B", "C", "~/") }

func (g *Gen) unknownValue(depth int, overlay bool) any {
	kinds := 6
	if depth == 0 {
		kinds = 4
	}
	switch g.Rand.IntN(kinds) {
	case 0:
		return g.Rand.IntN(3)
	case 1:
		return g.chance(50)
	case 2:
		if overlay && g.chance(50) {
			return nil
		}
		return "text"
	case 3:
		return g.Word()
	case 4:
		list := []any{}
		for range g.Rand.IntN(3) {
			list = append(list, g.unknownValue(0, false))
		}
		return list
	}
	o := map[string]any{}
	for range g.Rand.IntN(3) {
		o[g.unknownName()] = g.unknownValue(depth-1, overlay)
	}
	if overlay && g.chance(g.Directives) {
		o["$patch"] = g.pick("replace", "delete")
	}
	return o
}
