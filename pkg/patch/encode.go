package patch

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
)

// source is where the fields that our types do not know come from: the value as
// received, and what is to be added.
type source struct {
	text  *text
	extra *extra
}

// appendValue writes v as JSON, and with it every unknown field of src.
func appendValue(b []byte, t *podschema.Type, v reflect.Value, src source) ([]byte, error) {
	switch t.Kind {
	case podschema.Bool:
		return strconv.AppendBool(b, v.Bool()), nil
	case podschema.Int:
		return strconv.AppendInt(b, v.Int(), 10), nil
	case podschema.String:
		return appendQuoted(b, v.String()), nil
	case podschema.Struct:
		return appendStruct(b, t, v, src)
	case podschema.Map:
		return appendMap(b, t, v)
	case podschema.List:
		return appendList(b, t, v, src)
	}
	return appendLeaf(b, v)
}

// appendLeaf writes what encoding/json would write.
func appendLeaf(b []byte, v reflect.Value) ([]byte, error) {
	if v.CanAddr() {
		switch leaf := v.Addr().Interface().(type) {
		case *resource.Quantity:
			q := *leaf // String writes to it, and others may hold the same memory
			return appendQuoted(b, q.String()), nil
		case *intstr.IntOrString:
			switch leaf.Type {
			case intstr.Int:
				return strconv.AppendInt(b, int64(leaf.IntVal), 10), nil
			case intstr.String:
				return appendQuoted(b, leaf.StrVal), nil
			}
		}
	}
	text, err := json.Marshal(v.Interface())
	return append(b, text...), err
}

// deref looks through the pointer that holds a value; ok is false for nil.
func deref(v reflect.Value, pointer bool) (target reflect.Value, ok bool) {
	if !pointer {
		return v, true
	}
	return v.Elem(), !v.IsNil()
}

func appendStruct(b []byte, t *podschema.Type, v reflect.Value, src source) ([]byte, error) {
	if src == (source{}) && v.CanAddr() {
		if b, ok := appendUsual(b, v.Addr().Interface()); ok {
			return b, nil
		}
	}
	known, err := known(src.text)
	if err != nil {
		return nil, err
	}
	b = append(b, '{')
	first := len(b)
	fields := podschema.Over(v)
	for i := range t.Fields {
		f := &t.Fields[i]
		value := fields.Value(f)
		if !present(f, value) {
			continue
		}
		value, _ = deref(value, f.Pointer)
		mark := len(b)
		if len(b) > first {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), f.Name...), '"', ':') // a plain name
		begin := len(b)
		from := source{extra: src.extra.child(f.Name)}
		if known != nil {
			member := src.text.member(f.Name)
			from.text = member.text()
		}
		if b, err = appendValue(b, f.Type, value, from); err != nil {
			return nil, err
		}
		// Structs are always there in Go; an empty one says nothing in JSON.
		if f.Type.Kind == podschema.Struct && !f.Pointer && len(b)-begin == len("{}") {
			b = b[:mark]
		}
	}
	for i, e := range known {
		if t.Field(e.name) != nil || src.extra.has(e.name) || last(known[i+1:], e.name) != nil {
			continue
		}
		b = appendMember(b, len(b) > first, e)
	}
	for _, e := range src.extra.entries() {
		b = appendMember(b, len(b) > first, e)
	}
	return append(b, '}'), nil
}

// known lists what an object had as received; nothing of what is none.
func known(t *text) ([]entry, error) {
	raw, err := t.bytes()
	if err != nil || !isObject(raw) {
		return nil, err
	}
	return t.members()
}

func appendMember(b []byte, comma bool, e entry) []byte {
	if comma {
		b = append(b, ',')
	}
	b = appendQuoted(b, e.name)
	b = append(b, ':')
	return append(b, e.value...)
}

// last finds an entry by name. Where there are several the last one counts, as
// for everybody who reads JSON into a map.
func last(entries []entry, name string) []byte {
	for i := len(entries) - 1; i >= 0; i-- {
		if entries[i].name == name {
			return entries[i].value
		}
	}
	return nil
}

func appendMap(b []byte, t *podschema.Type, v reflect.Value) ([]byte, error) {
	switch m := v.Interface().(type) {
	case map[string]string:
		return appendEntries(b, m, func(b []byte, s string) []byte { return appendQuoted(b, s) }), nil
	case corev1.ResourceList:
		return appendEntries(b, m, func(b []byte, q resource.Quantity) []byte { return appendQuoted(b, q.String()) }), nil
	}
	b = append(b, '{')
	for i, key := range sortedKeys(v) {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendQuoted(b, key.String())
		b = append(b, ':')
		value, ok := deref(v.MapIndex(key), t.ElemPointer)
		if !ok {
			b = append(b, "null"...)
			continue
		}
		var err error
		if b, err = appendValue(b, t.Elem, value, source{}); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

// appendEntries writes a map of the usual types, without reflection.
func appendEntries[K ~string, V any](b []byte, m map[K]V, value func([]byte, V) []byte) []byte {
	var buf [16]K
	keys := buf[:0]
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	b = append(b, '{')
	for i, k := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendQuoted(b, string(k)), ':')
		b = value(b, m[k])
	}
	return append(b, '}')
}

func sortedKeys(m reflect.Value) []reflect.Value {
	keys := m.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return bytes.Compare([]byte(a.String()), []byte(b.String())) })
	return keys
}

func appendList(b []byte, t *podschema.Type, v reflect.Value, src source) ([]byte, error) {
	sources, err := itemSources(t, v, src)
	if err != nil {
		return nil, err
	}
	b = append(b, '[')
	for i := range v.Len() {
		if i > 0 {
			b = append(b, ',')
		}
		item, ok := deref(v.Index(i), t.ElemPointer)
		if !ok {
			b = append(b, "null"...)
			continue
		}
		from := source{extra: src.extra.item(t, item, i)}
		if sources != nil {
			from.text = sources[i]
		}
		if b, err = appendValue(b, t.Elem, item, from); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

// itemSources finds for each item of a list the item as received that it came
// from: the one of the same name, or, where items have none, of the same place.
func itemSources(t *podschema.Type, v reflect.Value, src source) ([]*text, error) {
	list := src.text
	if list == nil || t.Elem.Kind != podschema.Struct {
		return nil, nil
	}
	if raw, err := list.bytes(); err != nil || !isList(raw) && list.parts == nil {
		return nil, err
	}
	items, err := list.elements()
	if err != nil {
		return nil, err
	}
	sources := make([]*text, v.Len())
	if len(t.Identity) == 0 {
		for i := range sources {
			if len(items) == len(sources) {
				sources[i] = received(items[i])
			}
		}
		return sources, nil
	}
	byName := make(map[string][][]byte, len(items))
	for _, item := range items {
		id, err := identifyReceived(t, item)
		if err != nil {
			return nil, err
		}
		byName[id] = append(byName[id], item)
	}
	for i := range sources {
		id := identify(t, v.Index(i))
		if same := byName[id]; len(same) > 0 {
			sources[i], byName[id] = received(same[0]), same[1:]
		}
	}
	return sources, nil
}
