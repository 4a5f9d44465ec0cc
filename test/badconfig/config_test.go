//go:build e2e

package badconfig

import (
	"fmt"
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// badMark is the greeting of a configuration that must never be in force.
const badMark = "bad"

// sidecar is the template that every pod gets: the container's variable GREETING
// tells which configuration made it. What follows its text goes on with the
// container's fields.
func sidecar(mark string) string {
	return fmt.Sprintf(`spec:
  containers:
  - name: hello-proxy
    image: {{ .Values.image }}
    env:
    - {name: GREETING, value: %s}
`, mark)
}

// logger is the template that only pods get which ask for the alias.
const logger = `spec:
  containers:
  - name: logger
    image: {{ .Values.image }}
`

// values are those of the chart.
type values map[string]any

// baseValues make a good configuration of that mark.
func baseValues(mark string) values {
	return values{
		"image":           map[string]any{"hub": hub, "tag": tag},
		"builtinTemplate": map[string]any{"enabled": false},
		"templates":       map[string]any{"sidecar": sidecar(mark), "logger": logger},
		"aliases":         map[string]any{alias: []any{"sidecar", "logger"}},
		"templateValues":  map[string]any{"image": "lab.example.com/sidecar:1"},
		"configGuard":     map[string]any{"enabled": true},
		"replicaCount":    replicas,
	}
}

// with returns these values changed; what is changed below a key stays here as it is.
func (v values) with(change func(values)) values {
	out := maps.Clone(v)
	for _, key := range []string{"templates", "configGuard"} {
		if inner, ok := out[key].(map[string]any); ok {
			out[key] = maps.Clone(inner)
		}
	}
	change(out)
	return out
}

func (v values) template(name, text string) { v["templates"].(map[string]any)[name] = text }

func (v values) guard(on bool) { v["configGuard"] = map[string]any{"enabled": on} }

// objects are the two ConfigMaps as somebody wants them; nil for one that is to be
// deleted.
type objects struct {
	mark         string
	inject, mesh *corev1.ConfigMap
}

func (o objects) clone() objects {
	o.inject, o.mesh = o.inject.DeepCopy(), o.mesh.DeepCopy()
	return o
}

// parseObjects finds the two ConfigMaps in what Helm rendered.
func parseObjects(mark, rendered string) (objects, error) {
	o := objects{mark: mark}
	for document := range strings.SplitSeq("\n"+rendered, "\n---") {
		var cm corev1.ConfigMap
		if err := yaml.Unmarshal([]byte(document), &cm); err != nil {
			return o, fmt.Errorf("rendered by Helm: %w", err)
		}
		switch cm.Name {
		case injectName:
			o.inject = &cm
		case meshName:
			o.mesh = &cm
		}
	}
	if o.inject == nil || o.mesh == nil {
		return o, fmt.Errorf("Helm rendered no ConfigMap %s or none %s", injectName, meshName)
	}
	return o, nil
}
