// Package patch says in RFC 6902 terms what was done to a pod.
//
// The difference is taken between two typed pods and written for the object as
// it was received, so fields that the Go types do not know stay where they are,
// also within containers that are changed, reordered or moved to another list.
package patch

import (
	"fmt"
	"reflect"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
)

// Diff returns the RFC 6902 patch that turns raw, which decodes to before, into
// an object that decodes to after. It returns nil when nothing changes. Names of
// fields in raw are case-sensitive, as in the Kubernetes API.
//
// Operations are add, remove, replace and move, to be applied in their order.
// Lists are changed item by item; items keep their identity by name, or whatever
// their list tells them apart by. metadata.managedFields is never looked at.
//
// The extra fields are added beside what the two pods differ in. An error means
// that raw does not decode to before.
func Diff(raw []byte, before, after *corev1.Pod, extras ...Extra) ([]byte, error) {
	for _, e := range extras {
		if len(e.Path) == 0 {
			return nil, fmt.Errorf("extra field %s has no path", e.Value)
		}
	}
	d := differ{}
	err := d.object(podschema.Pod(), reflect.ValueOf(before).Elem(), reflect.ValueOf(after).Elem(), source{raw: trim(raw), extra: newExtra(extras)})
	if err != nil {
		return nil, fmt.Errorf("difference at %q: %w", d.path, err)
	}
	if len(d.ops) == 0 {
		return nil, nil
	}
	return append(d.ops, ']'), nil
}

// differ writes operations as it finds them.
type differ struct {
	ops  []byte // the patch so far, without its last bracket
	path []byte // JSON pointer to where we are
}

// in calls f with a step added to the path.
func (d *differ) in(step string, f func() error) error {
	mark := len(d.path)
	d.path = appendStep(d.path, step)
	if err := f(); err != nil {
		return err
	}
	d.path = d.path[:mark]
	return nil
}

// appendStep adds a step to a JSON pointer (RFC 6901).
func appendStep(path []byte, step string) []byte {
	path = append(path, '/')
	for i := range len(step) {
		switch c := step[i]; c {
		case '~':
			path = append(path, "~0"...)
		case '/':
			path = append(path, "~1"...)
		default:
			path = append(path, c)
		}
	}
	return path
}

// begin opens an operation on the path with a step added.
func (d *differ) begin(op, step string) {
	if len(d.ops) == 0 {
		d.ops = append(d.ops, '[')
	} else {
		d.ops = append(d.ops, ',')
	}
	d.ops = append(append(append(d.ops, `{"op":"`...), op...), `","path":`...)
	mark := len(d.path)
	d.path = appendStep(d.path, step)
	d.ops = appendQuoted(d.ops, string(d.path))
	d.path = d.path[:mark]
}

func (d *differ) remove(step string) {
	d.begin("remove", step)
	d.ops = append(d.ops, '}')
}

// move takes the value at a pointer to the path with a step added.
func (d *differ) move(from, step string) {
	d.begin("move", step)
	d.ops = append(appendQuoted(append(d.ops, `,"from":`...), from), '}')
}

// put writes an add or a replace.
func (d *differ) put(op, step string, t *podschema.Type, v reflect.Value, src source) (err error) {
	d.begin(op, step)
	d.ops = append(d.ops, `,"value":`...)
	if d.ops, err = appendValue(d.ops, t, v, src); err == nil {
		d.ops = append(d.ops, '}')
	}
	return err
}

// putJSON is put for a value that is JSON already.
func (d *differ) putJSON(op, step string, value []byte) {
	d.begin(op, step)
	d.ops = append(append(append(d.ops, `,"value":`...), value...), '}')
}
