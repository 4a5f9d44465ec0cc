package podmodel

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"reflect"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	kjson "sigs.k8s.io/json"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/quantity"
)

// Pod is a pod: the typed value, and the fields that its Go types do not have.
type Pod struct {
	*corev1.Pod
	Unknown *Fields
	// Ambiguous is set when JSON readers disagree about what the pod was decoded
	// from: a name is given twice in one object, or text is not UTF-8. Whoever
	// describes a change to it must not count on the reader having seen what
	// Decode saw.
	Ambiguous bool
}

// Decode reads a pod as an API server does: names match exactly, and of a name
// that is given twice the values are joined. The error is that of the decoder that
// API servers use, that of ctx, or a *quantity.LimitError.
func Decode(ctx context.Context, data []byte) (*Pod, error) {
	typed := new(corev1.Pod)
	unknown, ambiguous, err := decode(ctx, data, typed, podschema.Pod())
	if err != nil {
		return nil, err
	}
	return &Pod{Pod: typed, Unknown: unknown, Ambiguous: ambiguous}, nil
}

// Copy returns a copy whose typed struct may be written to; what it refers to is
// shared with p.
func (p *Pod) Copy() *Pod {
	typed := *p.Pod
	return &Pod{Pod: &typed, Unknown: p.Unknown, Ambiguous: p.Ambiguous}
}

// MarshalJSON writes the pod with its unknown fields.
func (p *Pod) MarshalJSON() ([]byte, error) {
	return Append(nil, podschema.Pod(), reflect.ValueOf(p.Pod).Elem(), p.Unknown)
}

// decode reads what is plain with the faster library, and everything else as the
// API server itself does.
//
// The faster one, as it is set here, refuses fields that the type does not have
// and all that Go's decoders read in ways of their own: a name given twice, text
// that is not UTF-8, half of a surrogate pair, 1e2 for a whole number. Without its
// word about unknown fields it is tried once more; what it still refuses, for
// these reasons or because it is wrong, the API server's decoder decides, and the
// error is that one's. So the two can only differ in what is plain.
func decode[T any](ctx context.Context, data []byte, typed *T, t *podschema.Type) (unknown *Fields, ambiguous bool, err error) {
	err = unmarshal(ctx, data, typed, jsonv2.RejectUnknownMembers(true))
	if err == nil {
		return nil, false, nil
	}
	if !final(ctx, err) {
		*typed = *new(T) // the failed decoder may have set something
		err = unmarshal(ctx, data, typed, jsonv2.RejectUnknownMembers(false))
	}
	if err != nil && !final(ctx, err) {
		*typed, ambiguous = *new(T), true
		err = unmarshalAsServer(ctx, data, typed)
	}
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	if err != nil {
		return nil, false, err
	}
	unknown, err = collect(ctx, data, t, reflect.ValueOf(typed).Elem())
	return unknown, ambiguous, err
}

// unmarshal decodes with the faster library. It reads a long text piece by piece, and
// looks at ctx between them.
func unmarshal(ctx context.Context, data []byte, into any, unknown jsonv2.Options) error {
	if len(data) <= piece {
		return jsonv2.Unmarshal(data, into, unknown, limitQuantities)
	}
	return jsonv2.UnmarshalRead(&reader{ctx, data}, into, unknown, limitQuantities)
}

// unmarshalAsServer decodes as API servers do. Their decoder cannot be interrupted;
// it does some 30 MB a second.
func unmarshalAsServer(ctx context.Context, data []byte, into any) error {
	outline, err := ReadOutline(ctx, data, func(string) bool { return false })
	if final(ctx, err) {
		return err
	}
	if err == nil && outline.Quantity != nil {
		return outline.Quantity
	}
	return kjson.UnmarshalCaseSensitivePreserveInts(data, into)
}

// final reports whether another decoder need not be asked: the time is over, or a
// quantity must not be read.
func final(ctx context.Context, err error) bool { return ctx.Err() != nil || quantity.IsLimit(err) }

// limitQuantities has quantities looked at before their library reads them.
var limitQuantities = jsonv2.WithUnmarshalers(jsonv2.UnmarshalFromFunc(func(d *jsontext.Decoder, q *resource.Quantity) error {
	value, err := d.ReadValue()
	if err != nil {
		return err
	}
	if err := quantity.Check(strings.Trim(string(value), `" `)); err != nil {
		return err
	}
	return q.UnmarshalJSON(value)
}))

// piece is how much of a long text is decoded, in bytes, before the context is looked
// at: that takes about a millisecond.
const piece = 128 << 10

// reader reads a text piece by piece until its context ends.
type reader struct {
	ctx  context.Context
	rest []byte
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.rest[:min(len(r.rest), piece)])
	r.rest = r.rest[n:]
	return n, nil
}

// Containers is the list of a pod's containers that a name is about.
type Containers string

// The two lists, by their JSON names.
const (
	AppContainers  Containers = "containers"
	InitContainers Containers = "initContainers"
)

// Container is one container: the typed value and its unknown fields.
type Container struct {
	corev1.Container
	Unknown *Fields
}

// ContainersUnknown returns the unknown fields of a list of containers. The fields of one
// container are below its name.
func (p *Pod) ContainersUnknown(list Containers) *Fields {
	return p.Unknown.Below("spec").Below(string(list))
}

// SetContainersUnknown replaces the unknown fields of a list of containers.
func (p *Pod) SetContainersUnknown(list Containers, unknown *Fields) {
	p.Unknown = p.Unknown.WithBelow("spec", p.Unknown.Below("spec").WithBelow(string(list), unknown))
}

// MoveUnknown lets the unknown fields of the container of a name follow it from
// one list to the other.
func (p *Pod) MoveUnknown(name string, from, to Containers) {
	old := p.ContainersUnknown(from)
	p.SetContainersUnknown(to, p.ContainersUnknown(to).WithBelow(name, old.Below(name)))
	p.SetContainersUnknown(from, old.WithBelow(name, nil))
}

// MarshalJSON writes a container as encoding/json writes the typed one, and its
// unknown fields with it.
func (c Container) MarshalJSON() ([]byte, error) {
	if c.Unknown.Empty() {
		return json.Marshal(&c.Container)
	}
	return Append(nil, podschema.Container(), reflect.ValueOf(&c.Container).Elem(), c.Unknown)
}

// UnmarshalJSON reads a container, see [Decode].
func (c *Container) UnmarshalJSON(data []byte) (err error) {
	if bytes.Equal(data, []byte("null")) {
		return nil
	}
	c.Unknown, _, err = decode(context.Background(), data, &c.Container, podschema.Container())
	return err
}
