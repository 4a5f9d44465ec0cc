// Package merge lays a partial pod over a pod, by the rules of the Kubernetes
// strategic merge patch.
package merge

import (
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"sigs.k8s.io/yaml"
)

// Overlay is a parsed partial pod. It never changes after ParseOverlay, so it
// may be kept and used by several goroutines at once.
type Overlay struct {
	json []byte
}

// ParseOverlay reads the YAML text of a partial pod.
func ParseOverlay(rendered []byte) (*Overlay, error) {
	text, err := yaml.YAMLToJSONStrict(rendered)
	if err != nil {
		return nil, fmt.Errorf("overlay is not YAML: %w", err)
	}
	return &Overlay{json: text}, nil
}

// Strategic returns pod with the overlay merged onto it. The pod given is not
// changed.
func Strategic(pod *corev1.Pod, o *Overlay) (*corev1.Pod, error) {
	return strategic(pod, o.json)
}

// Container returns base with every field that overlay sets merged on top.
// Neither argument is changed.
func Container(base, overlay *corev1.Container) (*corev1.Container, error) {
	text, err := json.Marshal(overlay)
	if err != nil {
		return nil, fmt.Errorf("container %q: %w", overlay.Name, err)
	}
	return strategic(base, text)
}

func strategic[T any](base *T, overlay []byte) (*T, error) {
	text, err := json.Marshal(base)
	if err != nil {
		return nil, fmt.Errorf("merge: %w", err)
	}
	merged, err := strategicpatch.StrategicMergePatch(text, overlay, base)
	if err != nil {
		return nil, fmt.Errorf("merge: %w", err)
	}
	out := new(T)
	if err := json.Unmarshal(merged, out); err != nil {
		return nil, fmt.Errorf("merged result: %w", err)
	}
	return out, nil
}
