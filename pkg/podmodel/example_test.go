package podmodel_test

import (
	"context"
	"fmt"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
)

func Example() {
	pod, err := podmodel.Decode(context.Background(), []byte(`{"spec":{"containers":[{"name":"app","image":"app:1","newField":true}]}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(pod.Spec.Containers[0].Image)
	fmt.Println(pod.Unknown.Paths())
	value, _ := pod.ContainersUnknown(podmodel.AppContainers).Below("app").Value("newField")
	fmt.Println(value)
	// Output:
	// app:1
	// [spec.containers[app].newField]
	// true
}
