package workload_test

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/workload"
)

// revision is an engine that labels every pod.
type revision struct{}

func (revision) Inject(context.Context, inject.Request) inject.Result {
	return inject.Result{
		Decision: decide.Decision{Code: decide.PolicyEnabled, Outcome: decide.Inject},
		Patch:    []byte(`[{"op":"add","path":"/metadata/labels/rev","value":"v1"}]`),
	}
}

func Example() {
	const manifest = `apiVersion: apps/v1
kind: Deployment
metadata: {name: hello} # stays here
spec:
  template:
    metadata:
      labels:
        app: hello
    spec:
      containers:
      - name: app
`
	reports, err := workload.Inject(context.Background(), revision{}, strings.NewReader(manifest), os.Stdout, workload.Options{Namespace: "shop"})
	fmt.Println(&reports[0], reports[0].Changed, err)
	// Output:
	// apiVersion: apps/v1
	// kind: Deployment
	// metadata: {name: hello} # stays here
	// spec:
	//   template:
	//     metadata:
	//       labels:
	//         app: hello
	//         rev: v1
	//     spec:
	//       containers:
	//       - name: app
	// Deployment "hello" true <nil>
}
