// Package patch says in RFC 6902 terms what was done to a pod.
//
// The difference is taken between two typed pods and written for the object as
// it was received, so fields that the Go types do not know stay where they are,
// also within containers that are changed, reordered or moved to another list.
//
// It costs what is different: memory that the two pods share is not looked at,
// and of the object as received only what the pods cannot tell.
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
	return diff(differ{}, raw, before, after, extras)
}

// DiffUnique is Diff for a raw in which no object has one name twice. Whoever has
// decoded it with a decoder that refuses such objects knows that already; Diff has
// to look through every object that changes.
func DiffUnique(raw []byte, before, after *corev1.Pod, extras ...Extra) ([]byte, error) {
	return diff(differ{unique: true}, raw, before, after, extras)
}

func diff(d differ, raw []byte, before, after *corev1.Pod, extras []Extra) ([]byte, error) {
	for _, e := range extras {
		if len(e.Path) == 0 {
			return nil, fmt.Errorf("extra field %s has no path", e.Value)
		}
	}
	d.path = make([]byte, 0, 128)
	src := spot{part: part{it: received(raw)}, extra: newExtra(extras)}
	err := d.object(podschema.Pod(), reflect.ValueOf(before).Elem(), reflect.ValueOf(after).Elem(), src)
	if err != nil {
		return nil, fmt.Errorf("difference at %q: %w", d.path, err)
	}
	if len(d.ops) == 0 {
		return nil, nil
	}
	return append(d.ops, ']'), nil
}
