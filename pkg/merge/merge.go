package merge

import (
	"context"
	"encoding/json"
	"reflect"

	"sigs.k8s.io/yaml"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/aliases"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/yamlerror"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
)

// Overlay is a parsed partial pod. It never changes after ParseOverlay, so it
// may be kept and used by several goroutines at once.
type Overlay struct {
	root *node
	text int // the length of the text, parts of which the nodes refer to
}

// ParseOverlay reads the YAML text of a partial pod. Its errors are of type
// *Error and name the field. Text of more than 1 MiB, nesting of more than 64
// levels and aliases that multiply without bound are refused, and so is a list that
// merges and has two elements of one full identity, but for variables. An empty
// text is an overlay that changes nothing. When ctx ends, so does the work, with the
// error of ctx.
func ParseOverlay(ctx context.Context, rendered []byte) (*Overlay, error) {
	if len(rendered) > maxText {
		return nil, errorf("is %d bytes long, at most %d are read", len(rendered), maxText)
	}
	r := resolver{ctx: ctx, text: len(rendered), unique: true}
	if root, ok := scan(string(rendered)); ok {
		return r.overlay(root, podschema.Pod())
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := expanded().Text(rendered); err != nil {
		return nil, &Error{Problem: "is not usable YAML: " + yamlerror.Message(err), cause: err}
	}
	data, err := yaml.YAMLToJSON(rendered)
	if err != nil {
		return nil, errorf("is not valid YAML: %s", yamlerror.Message(err))
	}
	root, err := parseJSON(ctx, data)
	if err != nil {
		return nil, err
	}
	return r.overlay(root, podschema.Pod())
}

// expanded is what a text may be when its aliases are written out, which the library
// does: a long text may stand in many places.
func expanded() aliases.Bounds {
	return aliases.Bounds{Values: 100_000, Bytes: 4 * maxText, Depth: 1000}
}

func (r *resolver) overlay(root *node, t *podschema.Type) (*Overlay, error) {
	if root.kind != object && root.kind != null {
		return nil, errorf("is %s, must be an object", root)
	}
	if err := r.value(root, t, reflect.New(t.Go).Elem()); err != nil {
		return nil, err
	}
	return &Overlay{root: root, text: r.text}, nil
}

// Unknown returns the fields of the overlay that this version's pod type does not
// have. They are merged like others.
func (o *Overlay) Unknown() *podmodel.Fields { return o.root.fields() }

// Apply merges the overlay onto a pod. It writes to the pod and to the struct that
// its Pod field points to, but to nothing below: what the merge leaves as it was,
// the result shares with what the pod was copied from, and what it adds, with
// everything else that the overlay is merged onto. Errors are of type *Error and
// name the field; after one the pod is merged in part.
func (o *Overlay) Apply(pod *podmodel.Pod) (err error) {
	if o.root.kind != null {
		pod.Unknown, err = apply(reflect.ValueOf(pod.Pod).Elem(), pod.Unknown, podschema.Pod(), o.root)
	}
	return err
}

// Container returns base with every field that overlay sets merged on top.
// Neither argument is changed; the result shares memory with base, as that of
// [Overlay.Apply] does. A field set to its zero value counts as not set. An element
// of a list that has the merge key of another one before it is merged onto that. When
// ctx ends, so does the work, with the error of ctx.
func Container(ctx context.Context, base, overlay podmodel.Container) (podmodel.Container, error) {
	data, err := json.Marshal(overlay)
	if err != nil {
		return base, at("["+overlay.Name+"]", errorf("%v", err))
	}
	root, err := parseJSON(ctx, data)
	if err != nil {
		return base, at("["+overlay.Name+"]", err)
	}
	r := resolver{ctx: ctx}
	o, err := r.overlay(root, podschema.Container())
	if err != nil {
		return base, at("["+overlay.Name+"]", err)
	}
	out := base
	out.Unknown, err = apply(reflect.ValueOf(&out.Container).Elem(), base.Unknown, podschema.Container(), o.root)
	if err != nil {
		return base, at("["+overlay.Name+"]", err)
	}
	return out, nil
}
