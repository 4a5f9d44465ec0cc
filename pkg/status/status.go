package status

import (
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
)

// The annotations.
const (
	// Key holds a [Status], in JSON.
	Key = "sidecar.istio.io/status"
	// OverridesKey holds [Overrides], in JSON.
	OverridesKey = "proxy.istio.io/overrides"
)

// Status names what an injection has added to a pod. Version is written in the
// classic dialect only, Revision in the current one only.
type Status struct {
	// Version is the SHA-256 of the raw template, in hexadecimal.
	Version          string   `json:"version,omitempty"`
	InitContainers   []string `json:"initContainers"`
	Containers       []string `json:"containers"`
	Volumes          []string `json:"volumes"`
	ImagePullSecrets []string `json:"imagePullSecrets"`
	Revision         string   `json:"revision,omitempty"`
}

// Of names what a pod spec consists of. Of the templates' result alone, that is
// what they add to a pod.
func Of(spec *corev1.PodSpec) Status {
	var s Status
	for i := range spec.InitContainers {
		s.InitContainers = append(s.InitContainers, spec.InitContainers[i].Name)
	}
	for i := range spec.Containers {
		s.Containers = append(s.Containers, spec.Containers[i].Name)
	}
	for i := range spec.Volumes {
		s.Volumes = append(s.Volumes, spec.Volumes[i].Name)
	}
	for i := range spec.ImagePullSecrets {
		s.ImagePullSecrets = append(s.ImagePullSecrets, spec.ImagePullSecrets[i].Name)
	}
	return s
}

// Read returns a pod's status. present reports whether the annotation exists: that
// is the sign of an earlier injection, even if it cannot be read, because the
// first injectors wrote only a version there.
func Read(annotations map[string]string) (s Status, present bool) {
	text, present := annotations[Key]
	if !present || json.Unmarshal([]byte(text), &s) != nil {
		return Status{}, present
	}
	return s, true
}

// Empty reports whether the status names nothing.
func (s *Status) Empty() bool {
	return len(s.InitContainers)+len(s.Containers)+len(s.Volumes)+len(s.ImagePullSecrets) == 0
}

// String returns the annotation's value.
func (s *Status) String() string {
	// A struct of strings always marshals.
	text, _ := json.Marshal(s)
	return string(text)
}

// Overrides are the containers that the user had declared under the name of a
// template's container, as the user wrote them.
type Overrides struct {
	Containers     []podmodel.Container `json:"containers,omitempty"`
	InitContainers []podmodel.Container `json:"initContainers,omitempty"`
}

// ReadOverrides returns the saved containers; none when there is no annotation.
func ReadOverrides(annotations map[string]string) (Overrides, error) {
	var o Overrides
	text, ok := annotations[OverridesKey]
	if !ok {
		return o, nil
	}
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return Overrides{}, fmt.Errorf("annotation %s: not readable, it must hold containers and initContainers in JSON, or be removed: %w", OverridesKey, err)
	}
	return o, nil
}

// Empty reports whether nothing was saved.
func (o *Overrides) Empty() bool { return len(o.Containers)+len(o.InitContainers) == 0 }

// String returns the annotation's value.
func (o *Overrides) String() string {
	// Quantities and IntOrStrings that were read once marshal.
	text, _ := json.Marshal(o)
	return string(text)
}
