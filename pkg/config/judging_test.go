package config

import (
	"strings"
	"testing"
)

func TestHowAConfigurationIsJudged(t *testing.T) {
	c := mustParse(t, minimal, "", "")
	if c.FieldValidation != "" || c.AdditionalFields != nil || c.SamplePods != nil {
		t.Errorf("nothing said: %+v", c)
	}
	usual := c.Hash()
	c = mustParse(t, minimal+`
fieldValidation: Strict
additionalFields: [spec.newField, spec.containers.newField]
injectedAnnotations: {Example.com/Note: x, b: c}
samplePods:
- {apiVersion: v1, kind: Pod, metadata: {name: db}, spec: {containers: [{name: db, image: db}]}}
- {spec: {containers: [{name: a, image: a}]}}
`, "", "")
	if c.FieldValidation != FieldValidationStrict || len(c.AdditionalFields) != 2 || len(c.SamplePods) != 2 || c.SamplePods[0].Name != "db" || c.SamplePods[1].Name != "samplePods[1]" {
		t.Errorf("got %+v", c)
	}
	if !strings.Contains(string(c.SamplePods[0].Object), `"image":"db"`) || c.Hash() == usual {
		t.Errorf("pod %s, hash %s", c.SamplePods[0].Object, c.Hash())
	}
}

func TestMistakesInHowAConfigurationIsJudged(t *testing.T) {
	for text, want := range map[string]string{
		"fieldValidation: strict":                                      `fieldValidation: invalid value "strict", must be "Strict" or "Warn"`,
		"fieldValidaton: Strict":                                       `fieldValidaton: unknown key, did you mean "fieldValidation"?`,
		"injectedAnnotations: {'a b': c}":                              `injectedAnnotations.a b: is not the name of an annotation: name part must consist of`,
		"fieldValidation: [a]":                                         "must be a string",
		"additionalFields: ['spec.containers[0].x']":                   `additionalFields[0]: invalid value "spec.containers[0].x", must be the path of a field`,
		"additionalFields: spec.x":                                     "must be a list of names",
		"samplePods: {}":                                               "samplePods: found a mapping, but it must be a list of pods",
		"samplePods: [a]":                                              `samplePods[0]: found the string "a", but it must be a pod`,
		"samplePods:\n- {spec: {containers: [{nam: a}]}}":              `samplePods[0]: not a pod: unknown field "spec.containers[0].nam"`,
		"samplePods:\n- {spec: {containers: 5}}":                       "samplePods[0]: not a pod: json: cannot unmarshal",
		"samplePods:\n- {kind: Deployment, spec: {containers: []}}":    `samplePods[0].kind: found "Deployment", but it must be a Pod`,
		"samplePods:\n- {kind: Pod}":                                   "samplePods[0].spec.containers: is empty",
		"samplePods: [" + strings.Repeat("{},", 21) + "]":              "samplePods: 21 pods are more than the 20",
		"samplePods: [{kind: " + strings.Repeat("x", 64<<10) + "}]":    "bytes are more than the 65536 that a sample pod may have",
		"additionalFields: [" + strings.Repeat("spec.x,", 1001) + "]":  "additionalFields: 1001 names are more than the 1000",
		"additionalFields: [" + strings.Repeat("x", 254) + "]":         "additionalFields[0]: invalid value",
		"samplePods:\n- {spec: {containers: [{name: a, image: [b]}]}}": "samplePods[0]: not a pod",
	} {
		if _, err := parse(minimal+text+"\n", "", ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: got %v\nwant %s", text, err, want)
		}
	}
}
