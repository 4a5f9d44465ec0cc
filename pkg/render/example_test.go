package render_test

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render"
)

// A template is compiled once, for values that all pods share, and executed for each
// pod.
func Example() {
	const text = `{{ range .Spec.Containers }}{{ .Name }} of {{ $.ObjectMeta.Name }} uses {{ $.Values.hub }}
{{ end }}`
	shared := &render.Data{Values: map[string]any{"hub": "docker.io/istio"}}
	template, err := render.Current(nil).Compile("sidecar", text, config.FileOrigin("sidecar.yaml"), render.Limits{},
		render.Constants{Data: shared, Fields: []string{"Values"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	out, err := template.Execute(&render.Data{
		Values:     shared.Values,
		ObjectMeta: &metav1.ObjectMeta{Name: "web"},
		Spec:       &corev1.PodSpec{Containers: []corev1.Container{{Name: "app"}}},
	})
	fmt.Print(string(out))
	fmt.Println(err)

	_, err = template.Execute(&render.Data{Spec: &corev1.PodSpec{Containers: []corev1.Container{{Name: "app"}}}})
	fmt.Println(err)
	// Output:
	// app of web uses docker.io/istio
	// <nil>
	// sidecar.yaml:1:47: template "sidecar" at $.ObjectMeta.Name: what .Name is asked of is not set: put the action into {{ with }} or {{ if }}
}
