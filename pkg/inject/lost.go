package inject

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/proxy"
)

// warnLost tells of containers that the pod came with and the templates have
// removed. A template may do so on purpose, by $patch: delete; more often it
// renders a list without an item, which YAML reads as null, and null removes the
// whole list.
func (in *injection) warnLost(before *corev1.PodSpec) {
	var names []string
	for _, list := range [][]corev1.Container{before.InitContainers, before.Containers} {
		for i := range list {
			if proxy.FindInPod(&in.pod.Spec, list[i].Name) == nil {
				names = append(names, list[i].Name)
			}
		}
	}
	if names == nil {
		return
	}
	removed := strings.Join(names, ", ")
	in.note("removed by the templates", removed)
	in.warnings = append(in.warnings, fmt.Sprintf("template %s removes containers of the pod: %s", strings.Join(in.names, ", "), removed))
}
