package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
	kjson "sigs.k8s.io/json"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cut"
)

// FieldValidation says what a field in a rendered template is that Kubernetes does not
// have, in the words of its API.
type FieldValidation string

// The two kinds of field validation.
const (
	// FieldValidationWarn makes such a field a warning: API servers drop it. It is the
	// default, because configurations that come from other injectors may have one.
	FieldValidationWarn FieldValidation = "Warn"
	// FieldValidationStrict makes it an error.
	FieldValidationStrict FieldValidation = "Strict"
)

// SamplePod is a pod on which templates are tried.
type SamplePod struct {
	Name string
	// Object is the pod in JSON.
	Object []byte
}

// fieldPath is how a field is named in additionalFields: without the names or numbers
// of elements.
var fieldPath = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*(\.[A-Za-z][A-Za-z0-9]*)*$`)

// judging reads the keys that say how the configuration is judged.
func (p *injectParser) judging(key string, k, v *yaml.Node) {
	switch key {
	case "fieldValidation":
		switch value := FieldValidation(p.text(key, k, v)); value {
		case "":
		case FieldValidationWarn, FieldValidationStrict:
			p.c.FieldValidation = value
		default:
			p.r.errorf(where(k, v), key, `invalid value %s, must be "Strict" or "Warn"`, shown("%.60q", string(value)))
		}
	case "additionalFields":
		p.c.AdditionalFields = p.list(key, k, v)
		for i, path := range p.c.AdditionalFields {
			if len(path) > maxName || !fieldPath.MatchString(path) {
				p.r.errorf(v.Content[i], fmt.Sprintf("%s[%d]", key, i), "invalid value %s, must be the path of a field without the names of elements, such as spec.containers.someNewField", shown("%.60q", path))
			}
		}
	case "samplePods":
		p.samplePods(key, k, v)
	}
}

func (p *injectParser) samplePods(key string, k, v *yaml.Node) {
	if isNull(v) {
		return
	}
	if v.Kind != yaml.SequenceNode {
		p.r.errorf(k, key, "found %s, but it must be a list of pods", kindOf(v))
		return
	}
	if n := len(v.Content); n > maxSamplePods {
		p.r.errorf(k, key, "%d pods are more than the %d that a configuration may have", n, maxSamplePods)
		return
	}
	for i, item := range v.Content {
		field := fmt.Sprintf("%s[%d]", key, i)
		if pod := p.samplePod(field, resolve(item)); pod != nil {
			p.c.SamplePods = append(p.c.SamplePods, *pod)
		}
	}
}

// samplePod reads a pod as an API server does that is asked for strict validation of
// fields.
func (p *injectParser) samplePod(field string, n *yaml.Node) *SamplePod {
	if n.Kind != yaml.MappingNode {
		p.r.errorf(n, field, "found %s, but it must be a pod", kindOf(n))
		return nil
	}
	object, err := toJSON(n)
	if err != nil {
		p.r.errorf(n, field, "not a pod%s", given{": " + cut.Line(err.Error(), maxField), ""})
		return nil
	}
	if len(object) > maxSamplePod {
		p.r.errorf(n, field, "%d bytes are more than the %d that a sample pod may have", len(object), maxSamplePod)
		return nil
	}
	var pod corev1.Pod
	strict, err := kjson.UnmarshalStrict(object, &pod)
	if err = errors.Join(append(strict, err)...); err != nil {
		p.r.errorf(n, field, "not a pod%s", given{": " + cut.Line(strings.ReplaceAll(err.Error(), "\n", "; "), maxField), ""})
		return nil
	}
	if pod.Kind != "" && pod.Kind != "Pod" {
		p.r.errorf(n, field+".kind", "found %s, but it must be a Pod: of a workload, give what its template makes", shown("%.60q", pod.Kind))
		return nil
	}
	if len(pod.Spec.Containers) == 0 {
		p.r.errorf(n, field+".spec.containers", "is empty, but a pod has at least one container")
		return nil
	}
	name := pod.Name
	if name == "" {
		name = field
	}
	return &SamplePod{Name: cut.Line(name, maxName), Object: json.RawMessage(object)}
}
