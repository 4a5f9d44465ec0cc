package kube

import (
	"errors"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
)

// ParseName reads "namespace/name", the name of a namespaced object such as a
// Secret or a ConfigMap. The error does not repeat s, which callers name with its
// flag.
func ParseName(s string) (types.NamespacedName, error) {
	namespace, name, ok := strings.Cut(s, "/")
	if !ok || len(validation.IsDNS1123Label(namespace)) > 0 || len(validation.IsDNS1123Subdomain(name)) > 0 {
		return types.NamespacedName{}, errors.New("must have the form namespace/name")
	}
	return types.NamespacedName{Namespace: namespace, Name: name}, nil
}
