package merge_test

import (
	"context"
	"fmt"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/merge"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
)

func Example() {
	pod, err := podmodel.Decode(context.Background(), []byte(`{"spec":{"containers":[{"name":"app","image":"app:1"}]}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	overlay, err := merge.ParseOverlay(context.Background(), []byte("spec: {containers: [{name: app, tty: true}, {name: sidecar, image: 'sidecar:1'}]}"))
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := overlay.Apply(pod); err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range pod.Spec.Containers {
		fmt.Println(c.Name, c.Image, c.TTY)
	}
	_, err = merge.ParseOverlay(context.Background(), []byte("spec: {containers: [{name: sidecar, ports: [{containerPort: http}]}]}"))
	fmt.Println(err)
	// Output:
	// app app:1 true
	// sidecar sidecar:1 false
	// spec.containers[sidecar].ports[0].containerPort: is "http", must be a whole number
}
