package config_test

import (
	"fmt"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
)

func Example() {
	inject := func(text string) config.Sources {
		return config.Sources{Inject: config.Source{Name: "inject.yaml", Data: []byte(text)}}
	}
	c, err := config.Parse(inject("policy: enabled\ntemplates:\n  sidecar: 'spec: {}'\n"))
	fmt.Println(c.Dialect, c.DefaultTemplates, err)

	_, err = config.Parse(inject("policy: sometimes\ntemplate: ''\n"))
	fmt.Println(err)
	// Output:
	// current [sidecar] <nil>
	// inject.yaml:1:1: templates: no template is given: set templates to a map from template names to their text, or, in the classic dialect, template to a non-empty string
	// inject.yaml:1:9: policy: invalid value "sometimes", must be "enabled" or "disabled"
}
