package patch

import (
	"bytes"
	"encoding/json"
	"reflect"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
)

// object writes what differs between two structs. What was received for them is
// an object; it is only looked at once something differs.
func (d *differ) object(t *podschema.Type, before, after reflect.Value, src source) error {
	var known []entry
	look := func() (err error) {
		if known == nil {
			if known, err = members(src.raw); err == nil {
				err = d.repeated(t, after, known, src.extra)
			}
		}
		return err
	}
	if missing := src.extra.entries(); len(missing) > 0 {
		if err := look(); err != nil {
			return err
		}
		for _, e := range src.extra.missing(known) {
			d.putJSON(addOrReplace(last(known, e.name)), e.name, e.value)
		}
	}
	for i := range t.Fields {
		f := &t.Fields[i]
		if f.Name == "managedFields" {
			continue // the API server's own, and large
		}
		a, b := f.Of(after), f.Of(before)
		if equalField(f, b, a) && src.extra.child(f.Name) == nil {
			continue
		}
		if err := look(); err != nil {
			return err
		}
		if f.Name == "initContainers" && t.Field("containers") != nil {
			moved, err := d.exchange(t, before, after, known)
			if err != nil {
				return err
			}
			before, known = moved.before, moved.known
			b = f.Of(before)
		}
		if repeats(known, f.Name) {
			continue // done by look
		}
		if err := d.field(f, b, a, source{raw: last(known, f.Name), extra: src.extra.child(f.Name)}); err != nil {
			return err
		}
	}
	return nil
}

// repeated replaces the fields that an object has more than once. A Go decoder
// joins the two, whoever applies the patch keeps the last.
func (d *differ) repeated(t *podschema.Type, after reflect.Value, known []entry, x *extra) error {
	for i, e := range known {
		f := t.Field(e.name)
		if f == nil || last(known[i+1:], e.name) == nil || last(known[:i], e.name) != nil {
			continue
		}
		v, ok := deref(f.Of(after), f.Pointer)
		if !ok || !present(f, f.Of(after)) {
			d.remove(e.name)
			continue
		}
		if err := d.put("replace", e.name, f.Type, v, source{raw: last(known, e.name), extra: x.child(f.Name)}); err != nil {
			return err
		}
	}
	return nil
}

func repeats(known []entry, name string) bool {
	n := 0
	for _, e := range known {
		if e.name == name {
			n++
		}
	}
	return n > 1
}

func addOrReplace(received []byte) string {
	if received == nil {
		return "add"
	}
	return "replace"
}

// field writes what differs between two values of a field.
func (d *differ) field(f *podschema.Field, before, after reflect.Value, src source) error {
	a, ok := deref(after, f.Pointer)
	if !ok || !present(f, after) {
		if src.raw != nil && !equalField(f, before, after) {
			d.remove(f.Name)
		}
		return nil
	}
	b, was := deref(before, f.Pointer)
	if !was || isNull(src.raw) {
		return d.whole(f, a, src)
	}
	switch {
	case f.Type.Kind == podschema.Struct && isObject(src.raw):
		return d.in(f.Name, func() error { return d.object(f.Type, b, a, src) })
	case f.Type.Kind == podschema.Map && isObject(src.raw) && b.Len() > 0:
		return d.in(f.Name, func() error { return d.entries(f.Type, b, a) })
	case f.Type.Kind == podschema.List && isList(src.raw) && b.Len() > 0:
		return d.list(f, b, a, src)
	}
	return d.whole(f, a, src)
}

// whole writes a value that there was none of, or that has no parts to look at.
func (d *differ) whole(f *podschema.Field, v reflect.Value, src source) error {
	mark := len(d.ops)
	if err := d.put(addOrReplace(src.raw), f.Name, f.Type, v, source{extra: src.extra}); err != nil {
		return err
	}
	if src.raw == nil && f.Type.Kind == podschema.Struct && !f.Pointer && bytes.HasSuffix(d.ops, []byte(`"value":{}}`)) {
		d.ops = d.ops[:mark] // an empty struct says nothing
	}
	return nil
}

// entries writes what differs between two maps. Both have entries.
func (d *differ) entries(t *podschema.Type, before, after reflect.Value) error {
	for _, key := range sortedKeys(before) {
		if !after.MapIndex(key).IsValid() {
			d.remove(key.String())
		}
	}
	for _, key := range sortedKeys(after) {
		v, old := after.MapIndex(key), before.MapIndex(key)
		if old.IsValid() && equalValue(t.Elem, t.ElemPointer, old, v) {
			continue
		}
		op := "add"
		if old.IsValid() {
			op = "replace"
		}
		value, ok := deref(v, t.ElemPointer)
		if !ok {
			d.putJSON(op, key.String(), []byte("null"))
			continue
		}
		if err := d.put(op, key.String(), t.Elem, value, source{}); err != nil {
			return err
		}
	}
	return nil
}

// compact takes the white space out of JSON, for comparing.
func compact(value []byte) []byte {
	var b bytes.Buffer
	if json.Compact(&b, value) != nil {
		return value
	}
	return b.Bytes()
}
