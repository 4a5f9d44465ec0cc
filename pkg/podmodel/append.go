package podmodel

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
)

// Append appends a value's JSON to b, its unknown fields included. Empty lists,
// maps and structs, which say nothing in a pod, are left out of objects.
func Append(b []byte, t *podschema.Type, v reflect.Value, unknown *Fields) ([]byte, error) {
	switch t.Kind {
	case podschema.Bool:
		return strconv.AppendBool(b, v.Bool()), nil
	case podschema.Int:
		return strconv.AppendInt(b, v.Int(), 10), nil
	case podschema.String:
		return AppendQuoted(b, v.String()), nil
	case podschema.Struct:
		return appendStruct(b, t, v, unknown)
	case podschema.Map:
		return appendMap(b, t, v)
	case podschema.List:
		return appendList(b, t, v, unknown)
	}
	return appendLeaf(b, v)
}

// Present reports whether JSON shows a field: empty lists and maps are left out,
// whatever their tags say about nil and empty.
func Present(f *podschema.Field, v reflect.Value) bool {
	switch {
	case f.Pointer:
		return !v.IsNil()
	case f.Type.Kind == podschema.Map:
		return v.Len() > 0
	case f.Type.Kind == podschema.List:
		return v.Len() > 0 || !f.OmitEmpty && !v.IsNil()
	case f.Type.Kind == podschema.Struct:
		return true
	case f.OmitEmpty || f.OmitZero:
		return !v.IsZero()
	}
	return true
}

// AppendQuoted appends text as a JSON string. What is not UTF-8 becomes U+FFFD, as
// everywhere in Go.
func AppendQuoted[Text string | []byte](b []byte, s Text) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			// An error would only tell of text that is not UTF-8, which is replaced.
			b, _ = jsontext.AppendQuote(b, s)
			return b
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// appendLeaf writes what encoding/json would write.
func appendLeaf(b []byte, v reflect.Value) ([]byte, error) {
	if v.CanAddr() {
		switch leaf := v.Addr().Interface().(type) {
		case *resource.Quantity:
			q := *leaf // String writes to it, and others may hold the same memory
			return AppendQuoted(b, q.String()), nil
		case *intstr.IntOrString:
			switch leaf.Type {
			case intstr.Int:
				return strconv.AppendInt(b, int64(leaf.IntVal), 10), nil
			case intstr.String:
				return AppendQuoted(b, leaf.StrVal), nil
			}
		}
	}
	text, err := json.Marshal(v.Interface())
	return append(b, text...), err
}

func appendStruct(b []byte, t *podschema.Type, v reflect.Value, unknown *Fields) (_ []byte, err error) {
	b = append(b, '{')
	first := len(b)
	fields := podschema.Over(v)
	for i := range t.Fields {
		f := &t.Fields[i]
		value := fields.Value(f)
		if !Present(f, value) {
			continue
		}
		if f.Pointer {
			value = value.Elem()
		}
		start := len(b)
		if len(b) > first {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), f.Name...), '"', ':') // a plain name
		content := len(b)
		if b, err = Append(b, f.Type, value, unknown.Below(f.Name)); err != nil {
			return nil, err
		}
		// Structs are always there in Go; an empty one says nothing in JSON.
		if f.Type.Kind == podschema.Struct && !f.Pointer && len(b)-content == len("{}") {
			b = b[:start]
		}
	}
	for name, value := range unknown.Values() {
		if len(b) > first {
			b = append(b, ',')
		}
		b = append(append(AppendQuoted(b, name), ':'), value...)
	}
	return append(b, '}'), nil
}

func appendMap(b []byte, t *podschema.Type, v reflect.Value) ([]byte, error) {
	switch m := v.Interface().(type) {
	case map[string]string:
		return appendEntries(b, m, func(b []byte, s string) []byte { return AppendQuoted(b, s) }), nil
	case corev1.ResourceList:
		return appendEntries(b, m, func(b []byte, q resource.Quantity) []byte { return AppendQuoted(b, q.String()) }), nil
	}
	b = append(b, '{')
	for i, key := range SortedKeys(v) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(AppendQuoted(b, key.String()), ':')
		var err error
		if b, err = appendHeld(b, t, v.MapIndex(key), nil); err != nil {
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
		b = append(AppendQuoted(b, string(k)), ':')
		b = value(b, m[k])
	}
	return append(b, '}')
}

// SortedKeys returns the keys of a map with text for keys, in order.
func SortedKeys(m reflect.Value) []reflect.Value {
	keys := m.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return bytes.Compare([]byte(a.String()), []byte(b.String())) })
	return keys
}

func appendList(b []byte, t *podschema.Type, v reflect.Value, unknown *Fields) (_ []byte, err error) {
	items := unknown.Items(t, v)
	b = append(b, '[')
	for i := range v.Len() {
		if i > 0 {
			b = append(b, ',')
		}
		var item *Fields
		if items != nil {
			item = items[i]
		}
		if b, err = appendHeld(b, t, v.Index(i), item); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

// appendHeld writes an element of a map or list, which may be held by pointer.
func appendHeld(b []byte, t *podschema.Type, v reflect.Value, unknown *Fields) ([]byte, error) {
	if t.ElemPointer {
		if v.IsNil() {
			return append(b, "null"...), nil
		}
		v = v.Elem()
	}
	return Append(b, t.Elem, v, unknown)
}
