package status

import (
	"context"
	"encoding/json"
	"errors"
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
	return s.Len() == 0
}

// Len returns how many names the status holds.
func (s *Status) Len() int {
	return len(s.InitContainers) + len(s.Containers) + len(s.Volumes) + len(s.ImagePullSecrets)
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

// Most is how much [Overrides] may hold to be read.
type Most struct{ Containers, Values int }

// ReadOverrides returns the saved containers; none when there is no annotation. One
// that holds more than most is a *LimitError, which is found out before it is decoded.
func ReadOverrides(ctx context.Context, annotations map[string]string, most Most) (Overrides, error) {
	var o Overrides
	text, ok := annotations[OverridesKey]
	if !ok {
		return o, nil
	}
	err := checkOverrides(ctx, []byte(text), most)
	if err == nil {
		err = json.Unmarshal([]byte(text), &o)
	}
	var limit *LimitError
	if errors.As(err, &limit) || ctx.Err() != nil {
		return Overrides{}, err
	}
	if err != nil {
		return Overrides{}, fmt.Errorf("annotation %s: not readable, it must hold containers and initContainers in JSON, or be removed: %w", OverridesKey, err)
	}
	return o, nil
}

func checkOverrides(ctx context.Context, text []byte, most Most) error {
	outline, err := podmodel.ReadOutline(ctx, text, func(string) bool { return false })
	if err != nil {
		return err
	}
	if n := outline.Counts.Values; n > most.Values {
		return &LimitError{"names and values", n, most.Values}
	}
	var held struct{ Containers, InitContainers []json.RawMessage }
	if err := json.Unmarshal(text, &held); err != nil {
		return err
	}
	if n := len(held.Containers) + len(held.InitContainers); n > most.Containers {
		return &LimitError{"containers", n, most.Containers}
	}
	return nil
}

// LimitError is an annotation [OverridesKey] that holds more than is read.
type LimitError struct {
	What      string
	Has, Most int
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("annotation %s holds %d %s, at most %d are read: remove it together with what an earlier injection has added", OverridesKey, e.Has, e.What, e.Most)
}

// Empty reports whether nothing was saved.
func (o *Overrides) Empty() bool { return len(o.Containers)+len(o.InitContainers) == 0 }

// String returns the annotation's value.
func (o *Overrides) String() string {
	// Quantities and IntOrStrings that were read once marshal.
	text, _ := json.Marshal(o)
	return string(text)
}
