package patch

import (
	"reflect"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
)

// object writes the differences between two structs that are both objects in JSON.
func (d *differ) object(t *podschema.Type, before, after reflect.Value, was, is *podmodel.Fields) error {
	if was != is {
		d.unknown(was, is)
	}
	old, now := podschema.Over(before), podschema.Over(after)
	for i := range t.Fields {
		f := &t.Fields[i]
		if f.Name == "managedFields" {
			continue // the API server's own, and large
		}
		b, a := old.Value(f), now.Value(f)
		x, y := was.Below(f.Name), is.Below(f.Name)
		if x == y && equalField(f, b, a) {
			continue
		}
		if err := d.field(f, b, a, x, y); err != nil {
			return err
		}
	}
	return nil
}

// unknown writes the differences between the unknown fields of two objects.
func (d *differ) unknown(was, is *podmodel.Fields) {
	for name := range was.Values() {
		if _, ok := is.Value(name); !ok {
			d.remove(name)
		}
	}
	for name, value := range is.Values() {
		switch old, ok := was.Value(name); {
		case !ok:
			d.putJSON("add", name, value)
		case !podmodel.EqualValues(old, value):
			d.putJSON("replace", name, value)
		}
	}
}

// field writes the differences between two values of a field.
func (d *differ) field(f *podschema.Field, before, after reflect.Value, was, is *podmodel.Fields) error {
	a, ok := deref(after, f.Pointer)
	if !ok || !podmodel.Present(f, after) {
		if !equalField(f, before, after) {
			d.remove(f.Name)
		}
		return nil
	}
	b, ok := deref(before, f.Pointer)
	if !ok {
		return d.put("add", f.Name, f.Type, a, is)
	}
	switch f.Type.Kind {
	case podschema.Struct:
		if f.Pointer || !before.IsZero() || !was.Empty() {
			return d.up(d.down(f.Name), d.object(f.Type, b, a, was, is))
		}
	case podschema.Map:
		if b.Len() > 0 {
			return d.up(d.down(f.Name), d.entries(f.Type, b, a))
		}
	case podschema.List:
		if b.Len() > 0 {
			return d.list(f, b, a, was, is)
		}
	default:
		if f.Pointer || !before.IsZero() {
			return d.put("replace", f.Name, f.Type, a, is)
		}
	}
	// JSON may show it all the same, as null or as an empty value: to add a field
	// that exists replaces it.
	return d.put("add", f.Name, f.Type, a, is)
}

// deref looks through the pointer that holds a value; ok is false for nil.
func deref(v reflect.Value, pointer bool) (target reflect.Value, ok bool) {
	if !pointer {
		return v, true
	}
	return v.Elem(), !v.IsNil()
}
