// Package podschema knows the fields of a pod as JSON names them: which Go field
// holds them, when they are left out, and how two lists of them are joined. It
// is read once from the struct tags of k8s.io/api.
package podschema

import (
	"encoding/json"
	"reflect"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
)

// Kind is how a type is written in JSON.
type Kind uint8

// The kinds of type that a pod is made of. A Leaf reads and writes its own JSON:
// quantities, times, int-or-string.
const (
	Leaf Kind = iota
	Bool
	Int
	String
	Struct
	Map
	List
)

// Type describes one Go type. Pointers are looked through: Field and Elem say
// whether there was one.
type Type struct {
	Go     reflect.Type
	Kind   Kind
	Fields []Field // of a Struct, embedded ones included, in Go order
	Elem   *Type   // of a Map or List
	// ElemPointer is set when the elements are held by pointer.
	ElemPointer bool
	// Identity lists the fields of an element, all text or numbers, that tell the
	// elements of a List apart; empty when only their position does. Two elements
	// may still agree in all of them: nothing forbids a variable given twice.
	// See [Type.Identify].
	Identity []*Field

	byName map[string]*Field
}

// Field is one field of a Struct.
type Field struct {
	Name    string // in JSON
	Index   []int  // for reflect.Value.FieldByIndex
	Type    *Type
	Pointer bool
	// OmitEmpty and OmitZero are the JSON options of these names.
	OmitEmpty, OmitZero bool
	// Merge is set when a strategic merge joins the two lists instead of
	// replacing the one by the other. MergeKey is then the JSON name of the
	// field that tells items apart; it is empty for lists of scalars.
	Merge    bool
	MergeKey string
	// Replace is set when a strategic merge replaces the whole object.
	Replace bool
}

// Field finds a field by its exact JSON name; nil when there is none.
func (t *Type) Field(name string) *Field { return t.byName[name] }

// Of returns the field's value in a struct.
func (f *Field) Of(v reflect.Value) reflect.Value {
	if len(f.Index) == 1 {
		return v.Field(f.Index[0])
	}
	return v.FieldByIndex(f.Index)
}

// Key returns the field of an item by which a merging list tells items apart;
// nil when there is none.
func (f *Field) Key() *Field {
	if f.MergeKey == "" || f.Type.Kind != List || f.Type.Elem.Kind != Struct {
		return nil
	}
	return f.Type.Elem.Field(f.MergeKey)
}

// Pod and Container return the types that everything starts from. What they
// return is shared and must not be changed.
var (
	Pod       = sync.OnceValue(func() *Type { return For(reflect.TypeFor[corev1.Pod]()) })
	Container = sync.OnceValue(func() *Type { return Pod().Field("spec").Type.Field("containers").Type.Elem })
)

// For reads the description of a type from its struct tags.
func For(t reflect.Type) *Type {
	return reader{}.read(t)
}

// reader remembers the types it has begun, so that a type may contain itself.
type reader map[reflect.Type]*Type

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

func (r reader) read(t reflect.Type) *Type {
	if known, ok := r[t]; ok {
		return known
	}
	d := &Type{Go: t, Kind: kindOf(t)}
	r[t] = d
	switch d.Kind {
	case Map, List:
		elem := t.Elem()
		d.ElemPointer = elem.Kind() == reflect.Pointer
		if d.ElemPointer {
			elem = elem.Elem()
		}
		d.Elem = r.read(elem)
		if name := d.Elem.Field("name"); name != nil && name.Type.Kind == String && !name.Pointer && !d.ElemPointer {
			d.Identity = []*Field{name}
		}
	case Struct:
		r.fields(d, t, nil)
		d.byName = make(map[string]*Field, len(d.Fields))
		for i := range d.Fields {
			d.byName[d.Fields[i].Name] = &d.Fields[i]
		}
	}
	return d
}

// kindOf treats everything that it has no better word for as a Leaf: such a
// value is read and written by encoding/json.
func kindOf(t reflect.Type) Kind {
	if reflect.PointerTo(t).Implements(unmarshaler) {
		return Leaf
	}
	switch t.Kind() {
	case reflect.Bool:
		return Bool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return Int
	case reflect.String:
		return String
	case reflect.Struct:
		return Struct
	case reflect.Map:
		if t.Key().Kind() == reflect.String {
			return Map
		}
	case reflect.Slice:
		if t.Elem().Kind() != reflect.Uint8 {
			return List
		}
	}
	return Leaf
}

func (r reader) fields(d *Type, t reflect.Type, prefix []int) {
	for i := range t.NumField() {
		sf := t.Field(i)
		tag := sf.Tag.Get("json")
		if !sf.IsExported() || tag == "-" {
			continue
		}
		index := append(append([]int(nil), prefix...), i)
		name, options, _ := strings.Cut(tag, ",")
		if sf.Anonymous && name == "" && sf.Type.Kind() == reflect.Struct {
			r.fields(d, sf.Type, index)
			continue
		}
		if name == "" {
			name = sf.Name
		}
		f := Field{Name: name, Index: index, MergeKey: sf.Tag.Get("patchMergeKey")}
		for option := range strings.SplitSeq(options, ",") {
			f.OmitEmpty = f.OmitEmpty || option == "omitempty"
			f.OmitZero = f.OmitZero || option == "omitzero"
		}
		for strategy := range strings.SplitSeq(sf.Tag.Get("patchStrategy"), ",") {
			f.Merge = f.Merge || strategy == "merge"
			f.Replace = f.Replace || strategy == "replace"
		}
		ft := sf.Type
		if f.Pointer = ft.Kind() == reflect.Pointer; f.Pointer {
			ft = ft.Elem()
		}
		f.Type = r.read(ft)
		if key := f.Key(); key != nil {
			f.Type.Identity = identity(f.Type.Elem, key)
		}
		d.Fields = append(d.Fields, f)
	}
}

// moreKeys names the field that belongs to an element's identity together with
// its merge key, where the API declares two (x-kubernetes-list-map-keys): one port
// number may be open for several protocols, and one topology may be constrained
// twice. A strategic merge knows the first key only.
var moreKeys = map[string]string{
	"containerPort": "protocol",
	"topologyKey":   "whenUnsatisfiable",
}

func identity(elem *Type, key *Field) []*Field {
	if second := elem.Field(moreKeys[key.Name]); second != nil {
		return []*Field{key, second}
	}
	return []*Field{key}
}
