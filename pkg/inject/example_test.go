package inject_test

import (
	"context"
	"fmt"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

func Example() {
	cfg, err := config.Parse(config.Sources{Inject: config.Source{Name: "config.yaml", Data: []byte(`
policy: enabled
templates:
  sidecar: |
    spec:
      containers:
      - name: sidecar
        image: sidecar:1
        args: ["--for", "{{ .DeploymentMeta.Name }}"]
`)}})
	if err != nil {
		fmt.Println(err)
		return
	}
	snapshot, err := inject.Compile(cfg, inject.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	result := snapshot.Inject(context.Background(), inject.Request{
		Object:    []byte(`{"kind":"Pod","apiVersion":"v1","metadata":{"name":"shop"},"spec":{"containers":[{"name":"app","image":"shop:1"}]}}`),
		Namespace: "default",
	})
	fmt.Println(result.Decision.Code)
	for _, c := range result.Pod.Spec.Containers {
		fmt.Println(c.Name, c.Args)
	}
	// Output:
	// policy-enabled
	// sidecar [--for shop]
	// app []
}
