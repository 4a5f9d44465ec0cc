package patch

import (
	"bytes"
	"reflect"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
)

// object writes what differs between two structs. What was received for them is
// an object; it is only looked at once something differs.
func (d *differ) object(t *podschema.Type, before, after reflect.Value, src spot) error {
	if err := d.extras(&src); err != nil {
		return err
	}
	looked := d.unique
	var twice []entry
	var moved *exchanged
	now, was := podschema.Over(after), podschema.Over(before)
	for i := range t.Fields {
		f := &t.Fields[i]
		if f.Name == "managedFields" {
			continue // the API server's own, and large
		}
		a, b := now.Value(f), was.Value(f)
		x := src.extra.child(f.Name)
		if x == nil && equalField(f, b, a) {
			continue
		}
		if !looked {
			looked = true
			var err error
			if twice, err = d.repeated(t, after, &src); err != nil {
				return err
			}
		}
		if last(twice, f.Name) != nil {
			continue
		}
		if f.Name == "initContainers" && last(twice, "containers") == nil {
			var err error
			if moved, err = d.exchange(before, after, src.text()); err != nil {
				return err
			}
			if moved != nil {
				was = podschema.Over(moved.spec)
				b = was.Value(f)
			}
		}
		field := spot{part: src.text().member(f.Name), extra: x}
		if list := moved.list(f.Name); list != nil {
			field.part = part{it: list}
		}
		if err := d.field(f, b, a, field); err != nil {
			return err
		}
	}
	return nil
}

// extras writes the extra fields of an object that stays.
func (d *differ) extras(src *spot) error {
	if len(src.extra.entries()) == 0 {
		return nil
	}
	known, err := src.text().members()
	if err != nil {
		return err
	}
	for _, e := range src.extra.missing(known) {
		op := "add"
		if last(known, e.name) != nil {
			op = "replace"
		}
		d.putJSON(op, e.name, e.value)
	}
	return nil
}

// repeated replaces the fields that an object has more than once, and returns
// them. A Go decoder joins the two, whoever applies the patch keeps the last.
func (d *differ) repeated(t *podschema.Type, after reflect.Value, src *spot) (twice []entry, err error) {
	known, err := src.text().members()
	if err != nil {
		return nil, err
	}
	for i, e := range known {
		f := t.Field(e.name)
		if f == nil || last(known[i+1:], e.name) == nil || last(known[:i], e.name) != nil {
			continue
		}
		twice = append(twice, e)
		v, ok := deref(f.Of(after), f.Pointer)
		if !ok || !present(f, f.Of(after)) {
			d.remove(e.name)
			continue
		}
		value := spot{part: src.text().member(e.name), extra: src.extra.child(f.Name)}
		if err := d.put("replace", e.name, f.Type, v, value.source()); err != nil {
			return nil, err
		}
	}
	return twice, nil
}

// field writes what differs between two values of a field.
func (d *differ) field(f *podschema.Field, before, after reflect.Value, src spot) error {
	a, ok := deref(after, f.Pointer)
	if !ok || !present(f, after) {
		if !equalField(f, before, after) {
			d.remove(f.Name)
		}
		return nil
	}
	b, was := deref(before, f.Pointer)
	if !was {
		return d.whole("add", f, a, src)
	}
	switch f.Type.Kind {
	case podschema.Struct:
		if !f.Pointer && before.IsZero() {
			return d.inEmpty(f, b, a, src)
		}
		return d.up(d.down(f.Name), d.object(f.Type, b, a, src))
	case podschema.Map:
		if b.Len() > 0 {
			return d.up(d.down(f.Name), d.entries(f.Type, b, a))
		}
	case podschema.List:
		if b.Len() > 0 {
			return d.list(f, b, a, src)
		}
	default:
		if f.Pointer || !before.IsZero() {
			return d.whole("replace", f, a, src)
		}
	}
	// It may be there all the same, as null or as what means nothing; to add a
	// field that is there replaces it.
	return d.whole("add", f, a, src)
}

// inEmpty writes what differs from a struct with nothing in it, which may not be
// there at all, or hold what we do not know.
func (d *differ) inEmpty(f *podschema.Field, before, after reflect.Value, src spot) error {
	raw, err := src.bytes()
	if err != nil {
		return err
	}
	if isObject(raw) {
		return d.up(d.down(f.Name), d.object(f.Type, before, after, src))
	}
	mark := len(d.ops)
	if err := d.whole("add", f, after, src); err != nil {
		return err
	}
	if bytes.HasSuffix(d.ops, []byte(`"value":{}}`)) {
		d.ops = d.ops[:mark] // an empty struct says nothing
	}
	return nil
}

// whole writes a value that there was none of, or that has no parts to look at.
func (d *differ) whole(op string, f *podschema.Field, v reflect.Value, src spot) error {
	return d.put(op, f.Name, f.Type, v, source{extra: src.extra})
}
