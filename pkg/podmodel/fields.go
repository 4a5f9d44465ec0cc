package podmodel

import (
	"bytes"
	"encoding/json"
	"iter"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
)

// Fields are the unknown fields of an object and of the objects below it. A nil
// *Fields is empty. Only one's own Clone may be written to.
type Fields struct {
	// values has the unknown fields of the object itself.
	values map[string]jsontext.Value
	// below has what is known fields' own: by the field's JSON name, and in a
	// list by the element's key.
	below map[string]*Fields
}

// Empty reports whether there is no unknown field here or below.
func (f *Fields) Empty() bool { return f == nil || len(f.values)+len(f.below) == 0 }

// Len returns the number of unknown fields of the object itself.
func (f *Fields) Len() int {
	if f == nil {
		return 0
	}
	return len(f.values)
}

// Value returns an unknown field of the object itself; ok is false where there is
// none of that name.
func (f *Fields) Value(name string) (value jsontext.Value, ok bool) {
	if f == nil {
		return nil, false
	}
	value, ok = f.values[name]
	return value, ok
}

// Values goes through the unknown fields of the object itself, in the order of
// their names.
func (f *Fields) Values() iter.Seq2[string, jsontext.Value] {
	return func(yield func(string, jsontext.Value) bool) {
		if f == nil {
			return
		}
		for _, name := range slices.Sorted(maps.Keys(f.values)) {
			if !yield(name, f.values[name]) {
				return
			}
		}
	}
}

// Below returns the unknown fields below a known one.
func (f *Fields) Below(name string) *Fields {
	if f == nil {
		return nil
	}
	return f.below[name]
}

// Clone returns a copy whose own level may be written to.
func (f *Fields) Clone() *Fields {
	if f == nil {
		return &Fields{}
	}
	return &Fields{values: maps.Clone(f.values), below: maps.Clone(f.below)}
}

// Set sets an unknown field of the object itself; a nil value removes it.
func (f *Fields) Set(name string, value jsontext.Value) {
	if value == nil {
		delete(f.values, name)
		return
	}
	if f.values == nil {
		f.values = map[string]jsontext.Value{}
	}
	f.values[name] = value
}

// SetBelow sets the unknown fields below a known one.
func (f *Fields) SetBelow(name string, below *Fields) {
	if below.Empty() {
		delete(f.below, name)
		return
	}
	if f.below == nil {
		f.below = map[string]*Fields{}
	}
	f.below[name] = below
}

// WithBelow returns the fields with others below a known one. The fields given are
// not changed; the result is nil when nothing is left.
func (f *Fields) WithBelow(name string, below *Fields) *Fields {
	if old := f.Below(name); old == below || old.Empty() && below.Empty() {
		return f
	}
	out := f.Clone()
	out.SetBelow(name, below)
	return out.orNil()
}

func (f *Fields) orNil() *Fields {
	if f.Empty() {
		return nil
	}
	return f
}

// Items returns the unknown fields of each element of a list; nil when none has
// any. Elements are found by their full identity, see [podschema.Type.Keys].
func (f *Fields) Items(t *podschema.Type, list reflect.Value) []*Fields {
	if f.Empty() {
		return nil
	}
	items := make([]*Fields, list.Len())
	for i, key := range t.Keys(list) {
		items[i] = f.below[key]
	}
	return items
}

// JoinItems is the inverse of [Fields.Items]; nil when no element has any.
func JoinItems(t *podschema.Type, list reflect.Value, items []*Fields) *Fields {
	if !slices.ContainsFunc(items, func(f *Fields) bool { return !f.Empty() }) {
		return nil
	}
	f := &Fields{}
	for i, key := range t.Keys(list) {
		f.SetBelow(key, items[i])
	}
	return f
}

// Paths lists the unknown fields of a pod for people, such as
// spec.containers[istio-proxy].newField, sorted.
func (f *Fields) Paths() []string {
	var paths []string
	for _, u := range f.List() {
		paths = append(paths, u.Path)
	}
	return paths
}

// Unknown is one unknown field of a pod.
type Unknown struct {
	// Path is where it stands, with the names of elements:
	// spec.containers[istio-proxy].newField. Plain is the same without them.
	Path, Plain string
	// Name is the last part of the path.
	Name string
	// Within are the types of the objects around it, the pod's first.
	Within []*podschema.Type
}

// List returns the unknown fields of a pod, sorted by their paths.
func (f *Fields) List() []Unknown {
	out := f.list(Unknown{Within: []*podschema.Type{podschema.Pod()}})
	slices.SortFunc(out, func(a, b Unknown) int { return strings.Compare(a.Path, b.Path) })
	return out
}

// list returns the fields at and below a place.
func (f *Fields) list(at Unknown) (out []Unknown) {
	if f == nil {
		return nil
	}
	for name := range f.Values() {
		out = append(out, at.below(name, nil))
	}
	t := at.Within[len(at.Within)-1]
	for name, below := range f.below {
		if t.Kind == podschema.List {
			element := at
			element.Path += "[" + keyForPeople(name) + "]"
			element.Within = append(slices.Clone(at.Within[:len(at.Within)-1]), t.Elem)
			out = append(out, below.list(element)...)
			continue
		}
		out = append(out, below.list(at.below(name, t.Field(name).Type))...)
	}
	return out
}

// below is a field of the object at a place, of a type if it has one.
func (u Unknown) below(name string, t *podschema.Type) Unknown {
	join := func(path string) string { return strings.TrimPrefix(path+"."+name, ".") }
	out := Unknown{Path: join(u.Path), Plain: join(u.Plain), Name: name, Within: u.Within}
	if t != nil {
		out.Within = append(slices.Clone(u.Within), t)
	}
	return out
}

// keyForPeople shows an element's key: its identity, or its position where it has
// none.
func keyForPeople(key string) string {
	identity, number, again := strings.Cut(key, "\x00")
	switch {
	case identity != "" && again:
		return identity + " #" + number
	case identity != "":
		return identity
	case again:
		return number
	}
	return "0"
}

// Equal reports whether two trees hold the same fields. White space within values
// does not count.
func Equal(a, b *Fields) bool {
	if a == b {
		return true
	}
	if a.Empty() || b.Empty() {
		return a.Empty() && b.Empty()
	}
	return maps.EqualFunc(a.values, b.values, EqualValues) && maps.EqualFunc(a.below, b.below, Equal)
}

// EqualValues reports whether two values have the same JSON, but for white space.
func EqualValues(a, b jsontext.Value) bool {
	return bytes.Equal(a, b) || bytes.Equal(compact(a), compact(b))
}

func compact(value []byte) []byte {
	var b bytes.Buffer
	if json.Compact(&b, value) != nil {
		return value
	}
	return b.Bytes()
}

// Without returns the fields but for those that the other tree holds, too, with an
// equal value.
func (f *Fields) Without(other *Fields) *Fields {
	if f.Empty() || other.Empty() {
		return f
	}
	out := f.Clone()
	for name, value := range other.values {
		if mine, ok := f.values[name]; ok && EqualValues(mine, value) {
			out.Set(name, nil)
		}
	}
	for name, below := range other.below {
		out.SetBelow(name, f.below[name].Without(below))
	}
	return out.orNil()
}

// MarshalJSON writes the tree for people, own fields first: for tests and messages.
func (f *Fields) MarshalJSON() ([]byte, error) {
	if f == nil {
		return []byte("null"), nil
	}
	return json.Marshal(struct {
		Values map[string]jsontext.Value `json:"values,omitempty"`
		Below  map[string]*Fields        `json:"below,omitempty"`
	}{f.values, f.below})
}
