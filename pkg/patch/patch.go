package patch

import (
	"context"
	"fmt"
	"reflect"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
)

// Diff returns the RFC 6902 patch that turns the JSON which before was decoded
// from into an object that decodes to after. It returns nil when nothing changes.
//
// Operations are add, remove, replace and move, to be applied in their order.
// Lists are changed element by element; elements are matched by their full
// identity. metadata.managedFields is not compared. Where before is ambiguous,
// metadata and spec are written whole, because a reader may see another object in
// that JSON than the one decoded.
//
// An error means that a value cannot be written as JSON; it names the place. Or it is
// that of ctx, which ends the work.
func Diff(ctx context.Context, before, after *podmodel.Pod) ([]byte, error) {
	d := differ{ctx: ctx, path: make([]byte, 0, 128)}
	was, is := reflect.ValueOf(before.Pod).Elem(), reflect.ValueOf(after.Pod).Elem()
	err := d.object(podschema.Pod(), was, is, before.Unknown, after.Unknown)
	if err == nil && before.Ambiguous && len(d.ops) > 0 {
		d.ops = d.ops[:0]
		err = d.rewrite(was, is, before.Unknown, after.Unknown)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("difference at %q: %w", d.path, err)
	}
	if len(d.ops) == 0 {
		return nil, nil
	}
	return append(d.ops, ']'), nil
}

// rewrite writes the pod's top-level fields whole: metadata and spec always, others
// where they differ.
func (d *differ) rewrite(before, after reflect.Value, was, is *podmodel.Fields) error {
	d.unknown(was, is)
	for i := range podschema.Pod().Fields {
		f := &podschema.Pod().Fields[i]
		b, a := f.Of(before), f.Of(after)
		always := f.Name == "metadata" || f.Name == "spec"
		switch {
		case !always && was.Below(f.Name) == is.Below(f.Name) && equalField(f, b, a):
		case !podmodel.Present(f, a):
			d.remove(f.Name)
		default:
			if err := d.put("add", f.Name, f.Type, a, is.Below(f.Name)); err != nil {
				return err
			}
		}
	}
	return nil
}
