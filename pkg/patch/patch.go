// Package patch says in RFC 6902 terms what was done to a pod.
package patch

import (
	"bytes"
	"encoding/json"
	"fmt"

	jsonpatch "github.com/evanphx/json-patch/v5"
	corev1 "k8s.io/api/core/v1"
)

// Diff returns the RFC 6902 patch that turns raw, which decodes to before, into
// an object that decodes to after. It returns nil when nothing changes.
func Diff(raw []byte, before, after *corev1.Pod) ([]byte, error) {
	old, err := json.Marshal(before)
	if err != nil {
		return nil, fmt.Errorf("pod before: %w", err)
	}
	now, err := json.Marshal(after)
	if err != nil {
		return nil, fmt.Errorf("pod after: %w", err)
	}
	delta, err := jsonpatch.CreateMergePatch(old, now)
	if err != nil {
		return nil, fmt.Errorf("difference: %w", err)
	}
	result, err := jsonpatch.MergePatch(raw, delta)
	if err != nil {
		return nil, fmt.Errorf("difference: %w", err)
	}
	var was, is map[string]json.RawMessage
	if err := json.Unmarshal(raw, &was); err != nil {
		return nil, fmt.Errorf("pod as received: %w", err)
	}
	if err := json.Unmarshal(result, &is); err != nil {
		return nil, fmt.Errorf("pod as changed: %w", err)
	}
	type operation struct {
		Op    string          `json:"op"`
		Path  string          `json:"path"`
		Value json.RawMessage `json:"value,omitempty"`
	}
	var operations []operation
	for _, key := range []string{"kind", "apiVersion", "metadata", "spec", "status"} {
		switch {
		case bytes.Equal(was[key], is[key]):
		case is[key] == nil:
			operations = append(operations, operation{Op: "remove", Path: "/" + key})
		default:
			operations = append(operations, operation{Op: "add", Path: "/" + key, Value: is[key]})
		}
	}
	if operations == nil {
		return nil, nil
	}
	return json.Marshal(operations)
}
