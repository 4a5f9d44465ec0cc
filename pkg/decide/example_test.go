package decide_test

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
)

func Example() {
	rules, err := decide.NewRules(decide.Settings{
		Enabled: true,
		Never:   []metav1.LabelSelector{{MatchLabels: map[string]string{"app": "batch"}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	d := decide.Pod(rules, decide.Input{Namespace: "shop", Labels: map[string]string{"app": "batch"}, Trace: true})
	fmt.Printf("%s: %s\n", d.Code, d.Message)
	for _, s := range d.Trace {
		fmt.Printf("  %s: %s\n", s.Check, s.Detail)
	}
	// Output:
	// never-selector: neverInjectSelector[0] matches the pod's labels: app=batch
	//   spec.hostNetwork: false
	//   namespace: shop is not a system namespace
	//   label sidecar.istio.io/inject: not set
	//   annotation sidecar.istio.io/inject: not set
	//   neverInjectSelector[0]: app=batch matches
}
