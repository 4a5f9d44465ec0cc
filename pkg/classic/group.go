package classic

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/proxy"
)

// SetTokenGroup lets the proxy, which is not root, read the token that secret
// discovery needs.
func SetTokenGroup(spec *corev1.PodSpec) {
	var sc corev1.PodSecurityContext
	if spec.SecurityContext != nil {
		sc = *spec.SecurityContext
	}
	group := proxy.DefaultID
	sc.FSGroup = &group
	spec.SecurityContext = &sc
}

// UnsetTokenGroup undoes SetTokenGroup.
func UnsetTokenGroup(spec *corev1.PodSpec) {
	if spec.SecurityContext == nil || spec.SecurityContext.FSGroup == nil || *spec.SecurityContext.FSGroup != proxy.DefaultID {
		return
	}
	sc := *spec.SecurityContext
	sc.FSGroup = nil
	spec.SecurityContext = &sc
	if equality.Semantic.DeepEqual(sc, corev1.PodSecurityContext{}) {
		spec.SecurityContext = nil
	}
}
