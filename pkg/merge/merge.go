// Package merge lays a partial pod over a pod, by the rules of the Kubernetes
// strategic merge patch.
//
// It gives exactly what k8s.io/apimachinery/pkg/util/strategicpatch gives on the
// JSON of the same pod, the order of list items included, but works on the typed
// pod: the overlay is tied to the pod's fields once, when it is parsed. It
// departs from the library in these points, each on the side of a person who
// writes templates:
//
//   - the wrong type of a value is an error that names the field, even beneath a
//     directive that would have dropped it;
//   - a merge key of null is an error, not an item without a name;
//   - an item of the pod whose key is empty and left out of its JSON
//     (imagePullSecrets: [{}]) is an item with an empty key, not an error;
//   - a directive within a map (labels) never ends up as one of its entries;
//   - where an overlay names one item of a list twice and the first of the two
//     has directives beneath it, list order there may differ;
//   - where an overlay gives an order to a list and both deletes from and adds to
//     it, new items may stand elsewhere: the library overwrites the order that it
//     compares with;
//   - where one object both adds to a list of scalars and deletes from it, the
//     deletions come first; the library's answer depends on chance.
package merge

import (
	"encoding/json"
	"reflect"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
)

// Overlay is a parsed partial pod. It never changes after ParseOverlay, so it
// may be kept and used by several goroutines at once.
type Overlay struct {
	root    *node
	unknown []Unknown
}

// ParseOverlay reads the YAML text of a partial pod. Its errors are of type
// *Error and name the field. Text of more than 1 MiB, nesting of more than 64
// levels and aliases that multiply without bound are refused. An empty text is an
// overlay that changes nothing.
func ParseOverlay(rendered []byte) (*Overlay, error) {
	if len(rendered) > maxText {
		return nil, errorf("is %d bytes long, at most %d are read", len(rendered), maxText)
	}
	if root, ok := scan(string(rendered)); ok {
		return resolve(root, podschema.Pod())
	}
	data, err := yaml.YAMLToJSON(rendered)
	if err != nil {
		return nil, errorf("is not valid YAML: %v", err)
	}
	return parse(data, podschema.Pod())
}

func parse(data []byte, t *podschema.Type) (*Overlay, error) {
	root, err := parseJSON(data)
	if err != nil {
		return nil, err
	}
	return resolve(root, t)
}

func resolve(root *node, t *podschema.Type) (*Overlay, error) {
	if root.kind != object && root.kind != null {
		return nil, errorf("is %s, must be an object", root)
	}
	r := resolver{}
	if err := r.value(root, t, reflect.New(t.Go).Elem()); err != nil {
		return nil, err
	}
	return &Overlay{root: root, unknown: r.reported()}, nil
}

// Unknown lists the fields of the overlay that this version's pod type does not
// have. They are not merged. The slice must not be changed.
func (o *Overlay) Unknown() []Unknown { return o.unknown }

// Strategic returns pod with the overlay merged onto it. The pod given is not
// changed. What the merge has left as it was, the result shares with the pod,
// and what it has added, with everything else that the overlay is merged onto:
// nothing below the result may be written to, only replaced. Errors are of type
// *Error and name the field.
func Strategic(pod *corev1.Pod, o *Overlay) (*corev1.Pod, error) {
	out := *pod
	if err := Apply(&out, o); err != nil {
		return nil, err
	}
	return &out, nil
}

// Apply is Strategic in place: it writes to the pod itself, but to nothing that
// the pod refers to. After an error the pod is merged in part.
func Apply(pod *corev1.Pod, o *Overlay) error {
	return o.apply(reflect.ValueOf(pod).Elem(), podschema.Pod())
}

func (o *Overlay) apply(dst reflect.Value, t *podschema.Type) error {
	if o.root.kind == null {
		return nil
	}
	return apply(dst, t, o.root, ofPod)
}

// Container returns base with every field that overlay sets merged on top.
// Neither argument is changed; the result shares memory with base, as Strategic's
// does. A field set to its zero value counts as not set.
func Container(base, overlay *corev1.Container) (*corev1.Container, error) {
	data, err := json.Marshal(overlay)
	if err != nil {
		return nil, at("["+overlay.Name+"]", errorf("%v", err))
	}
	o, err := parse(data, podschema.Container())
	if err != nil {
		return nil, at("["+overlay.Name+"]", err)
	}
	out := *base
	if err := o.apply(reflect.ValueOf(&out).Elem(), podschema.Container()); err != nil {
		return nil, at("["+overlay.Name+"]", err)
	}
	return &out, nil
}
