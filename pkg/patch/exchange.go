package patch

import (
	"bytes"
	"reflect"
	"slices"
	"strconv"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
)

// exchanged is the pod's spec after containers have changed lists.
type exchanged struct {
	before reflect.Value
	known  []entry
}

// exchange moves containers that become init containers, and the other way
// round, so that they keep what we do not know of them. What it returns is what
// the rest of the comparison starts from.
func (d *differ) exchange(t *podschema.Type, before, after reflect.Value, known []entry) (exchanged, error) {
	same := exchanged{before: before, known: known}
	if repeats(known, "containers") || repeats(known, "initContainers") {
		return same, nil
	}
	lists := [2]*transfer{}
	for i, name := range []string{"containers", "initContainers"} {
		var err error
		if lists[i], err = newTransfer(t.Field(name), before, after, last(known, name)); err != nil || lists[i] == nil {
			return same, err
		}
	}
	moved := d.transfer(lists[0], lists[1])
	if !d.transfer(lists[1], lists[0]) && !moved {
		return same, nil
	}
	spec := reflect.New(t.Go).Elem()
	spec.Set(before)
	out := exchanged{before: spec}
	for _, e := range known {
		if e.name != "containers" && e.name != "initContainers" {
			out.known = append(out.known, e)
		}
	}
	for _, l := range lists {
		l.field.Of(spec).Set(l.items)
		if l.raw != nil {
			out.known = append(out.known, entry{name: l.field.Name, value: append(append([]byte("["), bytes.Join(l.raw, []byte(","))...), ']')})
		}
	}
	return out, nil
}

// transfer is one of the two lists while containers change over.
type transfer struct {
	field *podschema.Field
	items reflect.Value // as they are now
	raw   [][]byte      // the same, as received; nil when there is no list
	ids   []string
	after []string // ids as they are to be
}

// newTransfer returns nil when what was received is not what was decoded.
func newTransfer(f *podschema.Field, before, after reflect.Value, raw []byte) (*transfer, error) {
	l := &transfer{field: f, items: f.Of(before)}
	if isList(raw) {
		var err error
		if l.raw, err = elements(raw); err != nil {
			return nil, err
		}
		if l.raw == nil {
			l.raw = [][]byte{}
		}
	}
	if len(l.raw) != l.items.Len() {
		return nil, nil
	}
	l.ids = identifyAll(f.Type, l.items)
	l.after = identifyAll(f.Type, f.Of(after))
	return l, nil
}

func identifyAll(t *podschema.Type, list reflect.Value) []string {
	ids := make([]string, list.Len())
	for i := range ids {
		ids[i] = identify(t, list.Index(i))
	}
	return ids
}

// transfer moves every container that leaves src for dst, to a place right
// behind the one it is to follow. Names are unique in a valid pod; where they
// are not, nothing is moved that is wanted in both lists.
func (d *differ) transfer(src, dst *transfer) bool {
	moved := false
	for i := 0; i < len(src.ids); i++ {
		id := src.ids[i]
		if slices.Contains(src.after, id) || slices.Contains(dst.ids, id) || !slices.Contains(dst.after, id) || !isObject(src.raw[i]) {
			continue
		}
		if dst.raw == nil {
			d.putJSON("add", dst.field.Name, []byte("[]"))
			dst.raw = [][]byte{}
		}
		to := 0
		for k := slices.Index(dst.after, id) - 1; k >= 0; k-- {
			if j := slices.Index(dst.ids, dst.after[k]); j >= 0 {
				to = j + 1
				break
			}
		}
		from := appendStep(appendStep(d.path[:len(d.path):len(d.path)], src.field.Name), strconv.Itoa(i))
		mark := len(d.path)
		d.path = appendStep(d.path, dst.field.Name)
		d.move(string(from), strconv.Itoa(to))
		d.path = d.path[:mark]

		item := src.items.Index(i)
		dst.items = insertValue(dst.items, to, item)
		src.items = deleteValue(src.items, i)
		dst.raw = slices.Insert(dst.raw, to, src.raw[i])
		src.raw = slices.Delete(src.raw, i, i+1)
		dst.ids = slices.Insert(dst.ids, to, id)
		src.ids = slices.Delete(src.ids, i, i+1)
		moved = true
		i--
	}
	return moved
}

func insertValue(s reflect.Value, i int, v reflect.Value) reflect.Value {
	out := reflect.MakeSlice(s.Type(), 0, s.Len()+1)
	out = reflect.AppendSlice(out, s.Slice(0, i))
	return reflect.AppendSlice(reflect.Append(out, v), s.Slice(i, s.Len()))
}

func deleteValue(s reflect.Value, i int) reflect.Value {
	out := reflect.MakeSlice(s.Type(), 0, s.Len())
	return reflect.AppendSlice(reflect.AppendSlice(out, s.Slice(0, i)), s.Slice(i+1, s.Len()))
}
