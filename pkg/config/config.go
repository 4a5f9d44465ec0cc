// Package config reads the three files that an injector is configured with:
// the injection configuration, the mesh configuration and the chart values.
//
// Two dialects of the injection configuration exist in the field, the classic
// one (Istio 1.1) and the current one (Istio 1.10 and later). Which one a file
// is written in is told from the file. The mesh configuration is read in the
// shape that belongs to the dialect.
//
// Parse is strict about what it knows and reports every error at once, each
// with file, line and field. What it does not know, but what cannot hurt, it
// tells in Config.Notes.
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

// Policy decides about pods that nothing else decides about.
type Policy string

// The two policies.
const (
	PolicyEnabled  Policy = "enabled"
	PolicyDisabled Policy = "disabled"
)

// DefaultTemplate is what is injected when neither the pod nor the
// configuration names a template.
const DefaultTemplate = "sidecar"

// ClassicTemplate is the name under which the one template of a classic
// configuration is listed.
const ClassicTemplate = "template"

// Source is one file, or one key of a ConfigMap.
type Source struct {
	// Name is used in messages: a file path, or namespace/name:key.
	Name string
	// Data is the YAML or JSON text. Empty means that there is no such file;
	// only the values and the mesh configuration may be missing.
	Data []byte
}

// Sources are the three files.
type Sources struct {
	Inject, Mesh, Values Source
}

// Config is what the three files say. It never changes after Parse.
type Config struct {
	// Source of the injection configuration, for messages about templates.
	Source  string
	Dialect Dialect
	Policy  Policy

	// Templates holds the raw text of every template by name. A classic
	// configuration has one, named ClassicTemplate.
	Templates map[string]string
	// TemplateLines holds the line of Source at which a template's text begins.
	TemplateLines map[string]int
	// DefaultTemplates are rendered for pods that name none. Never empty.
	DefaultTemplates []string
	// Aliases map a name to template names. Expansion is not recursive.
	Aliases map[string][]string

	// NeverInject and AlwaysInject hold the selectors by their index in the
	// file. All of them are valid.
	NeverInject, AlwaysInject []metav1.LabelSelector
	// InjectedAnnotations are set on every injected pod.
	InjectedAnnotations map[string]string

	// Values are the chart values; never nil. Numbers are float64.
	Values map[string]any

	// Mesh is the mesh configuration of the current dialect, overlaid on its
	// defaults; nil in the classic one.
	Mesh *meshconfig.MeshConfig
	// ClassicMesh is the mesh configuration of the classic dialect, overlaid
	// on its defaults; nil in the current one.
	ClassicMesh *ClassicMesh

	// Notes are remarks about the files that are no errors, for example an
	// unknown field. Each begins with file and line.
	Notes []string

	hash string
}

// Hash returns the SHA-256 of the canonical content, in hexadecimal: two
// configurations that say the same have the same hash, whatever their comments,
// order of keys or layout.
func (c *Config) Hash() string { return c.hash }
