package patch

import (
	"reflect"
	"slices"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
)

// entries writes the differences between two maps that both have entries.
func (d *differ) entries(t *podschema.Type, before, after reflect.Value) error {
	if b, ok := before.Interface().(map[string]string); ok {
		d.strings(b, after.Interface().(map[string]string))
		return nil
	}
	for _, key := range podmodel.SortedKeys(before) {
		if !after.MapIndex(key).IsValid() {
			d.remove(key.String())
		}
	}
	for _, key := range podmodel.SortedKeys(after) {
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
		if err := d.put(op, key.String(), t.Elem, value, nil); err != nil {
			return err
		}
	}
	return nil
}

// strings is entries for labels, annotations and other maps of text.
func (d *differ) strings(before, after map[string]string) {
	var buf [8]string
	keys := buf[:0]
	for k := range before {
		if _, ok := after[k]; !ok {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		d.remove(k)
	}
	keys = keys[:0]
	for k, v := range after {
		if old, ok := before[k]; !ok || old != v {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		op := "add"
		if _, ok := before[k]; ok {
			op = "replace"
		}
		d.begin(op, k)
		d.ops = append(podmodel.AppendQuoted(append(d.ops, `,"value":`...), after[k]), '}')
	}
}
