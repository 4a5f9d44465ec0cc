package podgen

import (
	"fmt"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
)

// Overlay returns a random partial pod as JSON data, with directives and nulls.
func (g *Gen) Overlay() map[string]any {
	o := g.object(podschema.For(reflect.TypeFor[corev1.Pod]()), 0)
	delete(o, "status")
	return o
}

func (g *Gen) data(t *podschema.Type, depth int) any {
	switch t.Kind {
	case podschema.Bool:
		return g.chance(50)
	case podschema.Int:
		return g.Rand.IntN(6)
	case podschema.String:
		return g.Word()
	case podschema.Struct, podschema.Map:
		return g.object(t, depth)
	case podschema.List:
		return g.list(t, depth)
	}
	switch t.Go {
	case reflect.TypeFor[resource.Quantity]():
		return g.quantity()
	case reflect.TypeFor[intstr.IntOrString]():
		if g.chance(50) {
			return g.Rand.IntN(5)
		}
		return g.Word()
	case reflect.TypeFor[metav1.Time](), reflect.TypeFor[metav1.MicroTime]():
		return nil
	}
	return map[string]any{}
}

func (g *Gen) object(t *podschema.Type, depth int) map[string]any {
	o := map[string]any{}
	if t.Kind == podschema.Map {
		for range g.Rand.IntN(maxItems) {
			if o[g.Word()] = g.data(t.Elem, depth+1); g.chance(g.Directives) {
				o[g.Word()] = nil
			}
		}
	}
	for i := range t.Fields {
		f := &t.Fields[i]
		if depth > 0 && !g.chance(g.Fill) {
			continue
		}
		if o[f.Name] = g.data(f.Type, depth+1); g.chance(g.Directives) {
			o[f.Name] = nil
		}
		if items, ok := o[f.Name].([]any); ok && f.Key() != nil {
			o[f.Name] = g.unique(items, f)
		}
		g.listDirectives(o, f, depth)
	}
	if depth > 0 && g.chance(g.Directives) {
		o["$patch"] = g.pick("replace", "delete")
	} else if depth > 0 && t.Kind == podschema.Struct && g.chance(g.Directives) {
		o["$retainKeys"] = g.retain(o, t)
	}
	return o
}

func (g *Gen) retain(o map[string]any, t *podschema.Type) []any {
	var names []any
	for name := range o {
		if name[0] != '$' {
			names = append(names, name)
		}
	}
	if len(t.Fields) > 0 {
		names = append(names, t.Fields[g.Rand.IntN(len(t.Fields))].Name)
	}
	return names
}

// listDirectives may add an order or a deletion for a list of the object.
func (g *Gen) listDirectives(o map[string]any, f *podschema.Field, depth int) {
	if f.Type.Kind != podschema.List || !f.Merge || !g.chance(g.Directives) {
		return
	}
	key := f.Key()
	if key == nil {
		g.scalarDirective(o, f, depth)
		return
	}
	var order []any
	items, _ := o[f.Name].([]any)
	for _, item := range items {
		if m := item.(map[string]any); m["$patch"] == nil {
			order = append(order, map[string]any{f.MergeKey: m[f.MergeKey]})
		}
	}
	// Together with deletions and additions the library spoils the order that it
	// compares with.
	if len(order) > 0 && len(order) < len(items) {
		return
	}
	order = append(order, map[string]any{f.MergeKey: g.data(key.Type, depth)})
	o["$setElementOrder/"+f.Name] = order
}

// scalarDirective adds an order or a deletion for a list of scalars. A deletion
// comes without additions: together the order is left open.
func (g *Gen) scalarDirective(o map[string]any, f *podschema.Field, depth int) {
	if g.chance(50) {
		o["$deleteFromPrimitiveList/"+f.Name] = g.data(f.Type, depth)
		delete(o, f.Name)
		return
	}
	items, _ := o[f.Name].([]any)
	order := slices.Clone(items)
	for _, other := range g.list(f.Type, depth) {
		order = slices.Insert(order, g.Rand.IntN(len(order)+1), other)
	}
	o["$setElementOrder/"+f.Name] = order
	if order == nil {
		o["$setElementOrder/"+f.Name] = []any{}
	}
}

func (g *Gen) list(t *podschema.Type, depth int) []any {
	items := []any{}
	for range g.Rand.IntN(maxItems) {
		item := g.data(t.Elem, depth+1)
		if m, ok := item.(map[string]any); ok {
			for i := range t.Elem.Fields {
				if f := &t.Elem.Fields[i]; f.Name == "name" || !f.OmitEmpty {
					m[f.Name] = g.data(f.Type, depth+2)
				}
			}
			delete(m, "$retainKeys")
		}
		items = append(items, item)
	}
	return items
}

// unique leaves one element of each full identity, as an overlay must have them;
// together with directives, one of each merge key.
func (g *Gen) unique(items []any, f *podschema.Field) []any {
	seen := map[string]bool{}
	kept := []any{}
	for _, item := range items {
		o := item.(map[string]any)
		id := fmt.Sprint(o[f.MergeKey])
		if g.Directives == 0 {
			for _, key := range f.Type.Identity[1:] {
				second := o[key.Name]
				if second == nil && key.Name == "protocol" {
					second = "TCP"
				}
				id += fmt.Sprint("/", second)
			}
		}
		if !seen[id] {
			seen[id] = true
			kept = append(kept, item)
		}
	}
	return kept
}
