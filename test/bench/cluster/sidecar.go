package cluster

import (
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/engine"
)

// What every way of mutation adds: this container and this annotation.
const (
	sidecarName     = "sidecar"
	sidecarImage    = "registry.example.com/team/sidecar:1.0"
	sidecarPort     = 15090
	annotation      = "example.com/injected"
	annotationValue = "bench"
)

func sidecar() corev1.Container {
	return corev1.Container{
		Name: sidecarName, Image: sidecarImage, Args: []string{"proxy", "--port", "15090"},
		Ports: []corev1.ContainerPort{{Name: "stats", ContainerPort: sidecarPort, Protocol: corev1.ProtocolTCP}},
		Env:   []corev1.EnvVar{{Name: "MODE", Value: "sidecar"}, {Name: "LEVEL", Value: "info"}},
	}
}

// constantPatch adds the sidecar to any pod that has annotations.
func constantPatch() ([]byte, error) {
	return json.Marshal([]map[string]any{
		{"op": "add", "path": "/spec/containers/-", "value": sidecar()},
		{"op": "add", "path": "/metadata/annotations/example.com~1injected", "value": annotationValue},
	})
}

// policyExpression is the same for a MutatingAdmissionPolicy, in CEL. It makes a
// JSON patch: an apply configuration may not set lists without keys, such as a
// container's args.
func policyExpression() string {
	return fmt.Sprintf(`[
  JSONPatch{op: "add", path: "/spec/containers/-", value: Object.spec.containers{
    name: %q, image: %q, args: ["proxy", "--port", "15090"],
    ports: [Object.spec.containers.ports{name: "stats", containerPort: %d, protocol: "TCP"}],
    env: [Object.spec.containers.env{name: "MODE", value: "sidecar"}, Object.spec.containers.env{name: "LEVEL", value: "info"}]
  }},
  JSONPatch{op: "add", path: "/metadata/annotations/" + jsonpatch.escapeKey(%q), value: %q}
]`, sidecarName, sidecarImage, sidecarPort, annotation, annotationValue)
}

// Setup is the injector's configuration that adds the same.
func Setup() (engine.Setup, error) {
	overlay, err := yaml.Marshal(map[string]any{
		"metadata": map[string]any{"annotations": map[string]string{annotation: annotationValue}},
		"spec":     map[string]any{"containers": []any{sidecar()}},
	})
	if err != nil {
		return engine.Setup{}, err
	}
	inject, err := yaml.Marshal(map[string]any{
		"policy": "enabled", "templates": map[string]string{"sidecar": string(overlay)},
	})
	return engine.Setup{
		Dialect: "current", Origin: "one constant sidecar", NativeSidecars: true,
		Sources: config.Sources{
			Inject: config.Source{Name: "config", Data: inject},
			Values: config.Source{Name: "values", Data: []byte("{}\n")},
			// As the chart sets it where no template has Istio's proxy: the other ways
			// leave the pod's scrape annotations alone, too.
			Mesh: config.Source{Name: "mesh", Data: []byte("enablePrometheusMerge: false\n")},
		},
	}, err
}

// mutated makes sure that a pod that was stored has what was to be added, or has
// not.
func mutated(pod *corev1.Pod, want bool) error {
	got := pod.Annotations[annotation] == annotationValue
	containers := 0
	for _, c := range pod.Spec.Containers {
		if c.Name == sidecarName && c.Image == sidecarImage {
			containers++
		}
	}
	if got != want || (containers == 1) != want {
		return fmt.Errorf("pod %s was stored with %d sidecars and annotation %q", pod.Name, containers, pod.Annotations[annotation])
	}
	return nil
}
