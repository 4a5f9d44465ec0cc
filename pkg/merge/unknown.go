package merge

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
)

// Fields that the Go types do not have merge as fields of no special strategy do:
// objects entry by entry, everything else is replaced.

// mergeUnknown merges an unknown field of the overlay into fields, which may be
// written to.
func mergeUnknown(fields *podmodel.Fields, n *node) {
	old, there := fields.Value(n.name)
	switch {
	case n.kind == null:
		fields.Set(n.name, nil)
	case n.kind == object && there && old.Kind() == '{':
		fields.Set(n.name, mergeJSON(old, n))
	case hasPatch(n):
		fields.Set(n.name, nil)
	default:
		fields.Set(n.name, n.appendPlain(nil))
	}
}

// mergeJSON merges an object of the overlay into JSON.
func mergeJSON(old jsontext.Value, n *node) jsontext.Value {
	d := json.NewDecoder(bytes.NewReader(old))
	d.UseNumber()
	var data map[string]any
	if d.Decode(&data) != nil {
		return n.appendPlain(nil) // what is no JSON, nothing can be merged into
	}
	// What was decoded from JSON can be written as JSON.
	merged, _ := json.Marshal(mergeData(data, n))
	return merged
}

func mergeData(data map[string]any, n *node) map[string]any {
	if patch := n.member(patchDirective); patch != nil {
		if patch.scalar == deleteValue {
			return map[string]any{}
		}
		return n.data().(map[string]any)
	}
	if retain := n.member(retainDirective); retain != nil {
		kept := map[string]any{}
		for _, name := range retain.children() {
			if v, ok := data[name.scalar]; ok {
				kept[name.scalar] = v
			}
		}
		data = kept
	}
	for _, m := range n.children() {
		old, isObject := data[m.name].(map[string]any)
		switch {
		case strings.HasPrefix(m.name, "$"):
		case m.kind == null:
			delete(data, m.name)
		case m.kind == object && isObject:
			data[m.name] = mergeData(old, m)
		case hasPatch(m):
			delete(data, m.name)
		default:
			data[m.name] = m.data()
		}
	}
	return data
}

// hasPatch is patched for a node whose directives have not been taken out, as
// those of an unknown field.
func hasPatch(n *node) bool { return n.kind == object && n.member(patchDirective) != nil }

// data returns the node as encoding/json decodes it, without directives, objects
// that carry $patch, and nulls in objects.
func (n *node) data() any {
	switch n.kind {
	case null:
		return nil
	case boolean:
		return n.scalar == "true"
	case number:
		return json.Number(n.scalar)
	case text:
		return n.scalar
	case list:
		items := make([]any, 0, n.count)
		for _, item := range n.children() {
			if !hasPatch(item) {
				items = append(items, item.data())
			}
		}
		return items
	}
	entries := make(map[string]any, n.count)
	for _, m := range n.children() {
		if m.kind != null && !strings.HasPrefix(m.name, "$") && !hasPatch(m) {
			entries[m.name] = m.data()
		}
	}
	return entries
}

// appendPlain appends data as JSON.
func (n *node) appendPlain(b []byte) jsontext.Value {
	value, err := json.Marshal(n.data())
	if err != nil { // a number that is none, which no parser lets through
		value = []byte("null")
	}
	return append(b, value...)
}
