package config

import (
	meshconfig "istio.io/api/mesh/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Dialect is the language an injection configuration is written in.
type Dialect int

// The two dialects.
const (
	// Current: `templates` is a map, a template renders a partial pod.
	Current Dialect = iota
	// Classic: `template` is a string that renders a fragment of a pod spec.
	Classic
)

// String returns the dialect's name, "current" or "classic".
func (d Dialect) String() string {
	if d == Classic {
		return "classic"
	}
	return "current"
}

// Policy is the decision about pods that nothing else decides about.
type Policy string

// The two policies.
const (
	PolicyEnabled  Policy = "enabled"
	PolicyDisabled Policy = "disabled"
)

// defaultTemplate is injected when neither the pod nor the configuration names a
// template.
const defaultTemplate = "sidecar"

// ClassicTemplate is the name of a classic configuration's one template.
const ClassicTemplate = "template"

// Source is one file, or one key of a ConfigMap.
type Source struct {
	// Name is used in messages: a file path, or namespace/name:key.
	Name string
	// Data is the YAML or JSON text. Empty means that there is no such file, which
	// is allowed for the values and the mesh configuration only.
	Data []byte
	// Origins says where the values were given, when Data was made from other files;
	// nil: Data is what its reader has.
	Origins Origins
}

// Sources are the three files.
type Sources struct {
	Inject, Mesh, Values Source
}

// Config is the content of the three files. It never changes after [Parse].
type Config struct {
	// Source of the injection configuration, for messages about templates.
	Source  string
	Dialect Dialect
	Policy  Policy

	// Templates holds the raw text of every template by name. A classic
	// configuration has one, named ClassicTemplate.
	Templates map[string]string
	// TemplateOrigins holds where a template's text was given.
	TemplateOrigins map[string]Origin
	// DefaultTemplates are rendered for pods that name none. Never empty.
	DefaultTemplates []string
	// Aliases map a name to template names. Expansion is not recursive.
	Aliases map[string][]string

	// NeverInject and AlwaysInject hold the selectors by their index in the
	// file. All of them are valid.
	NeverInject, AlwaysInject []metav1.LabelSelector
	// InjectedAnnotations are set on every injected pod.
	InjectedAnnotations map[string]string

	// AllowedAnnotations names the annotations by which a pod may change what is
	// injected into it, of those that the injector or a template reads.
	AllowedAnnotations AllowList `json:",omitzero"`
	// AllowedOverrides names the injected containers that a pod may declare itself.
	AllowedOverrides AllowList `json:",omitzero"`

	// FieldValidation is what to do about rendered fields that Kubernetes does not
	// have; empty means Warn.
	FieldValidation FieldValidation `json:",omitzero"`
	// AdditionalFields are fields that newer versions of Kubernetes have, by paths such
	// as spec.containers.someNewField.
	AdditionalFields []string `json:",omitzero"`
	// SamplePods are pods on which templates are tried besides the built-in ones.
	SamplePods []SamplePod `json:",omitzero"`

	// Values are the chart values; never nil. Numbers are float64.
	Values map[string]any

	// Mesh is the mesh configuration of the current dialect, overlaid on its
	// defaults; nil in the classic one.
	Mesh *meshconfig.MeshConfig
	// ClassicMesh is the mesh configuration of the classic dialect, overlaid
	// on its defaults; nil in the current one.
	ClassicMesh *ClassicMesh

	// Notes are warnings about the files, for example of an unknown field. Each
	// begins with file and line.
	Notes []string

	hash string
	// valuesLength is the length of the values' text, in bytes.
	valuesLength int
}

// ValuesLength returns how long the text of the chart values is, in bytes.
func (c *Config) ValuesLength() int { return c.valuesLength }

// Hash returns the SHA-256 of the canonical content, in hexadecimal. It does not
// depend on comments, the order of keys or layout.
func (c *Config) Hash() string { return c.hash }
