package inject

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	jsonv2 "github.com/go-json-experiment/json"
	corev1 "k8s.io/api/core/v1"
	kjson "sigs.k8s.io/json"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/patch"
)

// received is a pod as it came.
type received struct {
	object []byte
	pod    *corev1.Pod
	// unique tells that no object in it has one name twice.
	unique bool
}

// diff returns the patch that makes another pod of it.
func (r *received) diff(after *corev1.Pod, extras ...patch.Extra) ([]byte, error) {
	if r.unique {
		return patch.DiffUnique(r.object, r.pod, after, extras...)
	}
	return patch.Diff(r.object, r.pod, after, extras...)
}

// decode reads a pod as the API server does: keys match exactly. What it does
// not know, it leaves to package patch.
func decode(object []byte) (*received, error) {
	pod, unique, err := unmarshal(object)
	if err != nil {
		if !json.Valid(object) {
			return nil, refuse(decide.BadRequest, fmt.Errorf("the object is not JSON: %w", err))
		}
		return nil, refuse(decide.PodInvalid, fmt.Errorf("the object is not a pod: %w", err))
	}
	// JSON decodes null to anything.
	if bytes.Equal(bytes.TrimSpace(object), []byte("null")) {
		return nil, refuse(decide.PodInvalid, errors.New("the object is not a pod: it is null"))
	}
	if pod.Kind != "" && pod.Kind != "Pod" {
		return nil, refuse(decide.BadRequest, fmt.Errorf("the object is a %.60q, must be a Pod; check the rules of the webhook configuration", pod.Kind))
	}
	return &received{object, pod, unique}, nil
}

// unmarshal reads what is plain with the faster library, and everything else as
// the API server itself does.
//
// The faster one, as it is set by default, refuses all that Go's decoders read in
// ways of their own: a name given twice, text that is not UTF-8, half of a
// surrogate pair, 1e2 for a whole number. What it refuses, for these reasons or
// because it is wrong, the API server's decoder has the last word about, and the
// error is that one's. So the two can only differ in what is plain.
func unmarshal(object []byte) (pod *corev1.Pod, unique bool, err error) {
	pod = new(corev1.Pod)
	if jsonv2.Unmarshal(object, pod) == nil {
		return pod, true, nil
	}
	pod = new(corev1.Pod) // the attempt may have left something in the first
	return pod, false, kjson.UnmarshalCaseSensitivePreserveInts(object, pod)
}
