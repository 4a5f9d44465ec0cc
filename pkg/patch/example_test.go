package patch_test

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/patch"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
)

func ExampleDiff() {
	before, err := podmodel.Decode(context.Background(), []byte(`{"metadata":{"name":"a"},"spec":{"containers":[{"name":"app"}]}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	after := before.Copy()
	after.Labels = map[string]string{"injected": "yes"}
	after.Spec.Containers = append([]corev1.Container{{Name: "sidecar"}}, before.Spec.Containers...)
	diff, err := patch.Diff(context.Background(), before, after)
	fmt.Println(string(diff), err)
	// Output:
	// [{"op":"add","path":"/metadata/labels","value":{"injected":"yes"}},{"op":"add","path":"/spec/containers/0","value":{"name":"sidecar"}}] <nil>
}
