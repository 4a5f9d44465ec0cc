package patch

import (
	"context"
	"reflect"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
)

// differ writes operations as it finds them.
type differ struct {
	ctx  context.Context // ends the comparison of long lists and maps
	ops  []byte          // the patch so far, without its last bracket
	path []byte          // JSON pointer to the values that are being compared
}

// initialSize is the capacity that a patch starts with, in bytes: that of an
// ordinary injection needs no more.
const initialSize = 8 << 10

// down adds a step to the path.
func (d *differ) down(step string) (mark int) {
	mark = len(d.path)
	d.path = appendStep(d.path, step)
	return mark
}

// up takes off again what down has added. After an error it stays, for the
// message.
func (d *differ) up(mark int, err error) error {
	if err == nil {
		d.path = d.path[:mark]
	}
	return err
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
	if d.ops == nil {
		d.ops = make([]byte, 0, initialSize)
	}
	if len(d.ops) == 0 {
		d.ops = append(d.ops, '[')
	} else {
		d.ops = append(d.ops, ',')
	}
	d.ops = append(append(append(d.ops, `{"op":"`...), op...), `","path":`...)
	mark := d.down(step)
	d.ops = podmodel.AppendQuoted(d.ops, d.path)
	d.path = d.path[:mark]
}

func (d *differ) remove(step string) {
	d.begin("remove", step)
	d.ops = append(d.ops, '}')
}

// move takes the value at a pointer to the path with a step added.
func (d *differ) move(from []byte, step string) {
	d.begin("move", step)
	d.ops = append(podmodel.AppendQuoted(append(d.ops, `,"from":`...), from), '}')
}

// put writes an add or a replace.
func (d *differ) put(op, step string, t *podschema.Type, v reflect.Value, unknown *podmodel.Fields) (err error) {
	d.begin(op, step)
	d.ops = append(d.ops, `,"value":`...)
	if d.ops, err = podmodel.Append(d.ops, t, v, unknown); err == nil {
		d.ops = append(d.ops, '}')
	}
	return err
}

// putJSON is put for a value that is JSON already.
func (d *differ) putJSON(op, step string, value []byte) {
	d.begin(op, step)
	d.ops = append(append(append(d.ops, `,"value":`...), value...), '}')
}
