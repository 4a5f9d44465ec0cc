package main

import (
	"errors"
	"fmt"
	"io"

	"k8s.io/apimachinery/pkg/util/yaml"
	sigsyaml "sigs.k8s.io/yaml"
)

type manifest struct {
	Kind string `json:"kind"`
	Spec struct {
		Groups []any `json:"groups"`
	} `json:"spec"`
}

// writeRules writes the groups of all PrometheusRules among the manifests as one
// rule file. None at all is an error: a test of no rules would pass.
func writeRules(manifests io.Reader, out io.Writer) error {
	decoder := yaml.NewYAMLOrJSONDecoder(manifests, 4096)
	groups := []any{}
	for {
		var m manifest
		err := decoder.Decode(&m)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("manifests: %w", err)
		}
		if m.Kind == "PrometheusRule" {
			groups = append(groups, m.Spec.Groups...)
		}
	}
	if len(groups) == 0 {
		return errors.New("manifests: no PrometheusRule with groups, render the chart with metrics.prometheusRule.enabled=true")
	}
	text, err := sigsyaml.Marshal(map[string]any{"groups": groups})
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	return err
}
