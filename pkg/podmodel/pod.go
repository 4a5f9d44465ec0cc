package podmodel

import (
	"bytes"
	"encoding/json"
	"reflect"

	jsonv2 "github.com/go-json-experiment/json"
	corev1 "k8s.io/api/core/v1"
	kjson "sigs.k8s.io/json"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
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
// API servers use.
func Decode(data []byte) (*Pod, error) {
	typed := new(corev1.Pod)
	unknown, ambiguous, err := decode(data, typed, podschema.Pod())
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

// decode reads what is plain with the faster library, and everything else as the
// API server itself does.
//
// The faster one, as it is set here, refuses fields that the type does not have
// and all that Go's decoders read in ways of their own: a name given twice, text
// that is not UTF-8, half of a surrogate pair, 1e2 for a whole number. Without its
// word about unknown fields it is tried once more; what it still refuses, for
// these reasons or because it is wrong, the API server's decoder decides, and the
// error is that one's. So the two can only differ in what is plain.
func decode[T any](data []byte, typed *T, t *podschema.Type) (unknown *Fields, ambiguous bool, err error) {
	if jsonv2.Unmarshal(data, typed, jsonv2.RejectUnknownMembers(true)) == nil {
		return nil, false, nil
	}
	*typed = *new(T) // the failed decoder may have set something
	if jsonv2.Unmarshal(data, typed) != nil {
		*typed, ambiguous = *new(T), true
		if err := kjson.UnmarshalCaseSensitivePreserveInts(data, typed); err != nil {
			return nil, false, err
		}
	}
	unknown, err = collect(data, t, reflect.ValueOf(typed).Elem())
	return unknown, ambiguous, err
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
	c.Unknown, _, err = decode(data, &c.Container, podschema.Container())
	return err
}
