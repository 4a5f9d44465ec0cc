package podcheck

import (
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/nearest"
)

func (c *check) env(p path, vars []corev1.EnvVar) {
	for i := range vars {
		v := &vars[i]
		p := p.item(i, v.Name)
		if v.Name == "" {
			c.required(p.child("name"), "")
		} else {
			c.all(p.child("name"), v.Name, validation.IsRelaxedEnvVarName(v.Name))
		}
		if v.ValueFrom != nil {
			c.valueFrom(p.child("valueFrom"), v)
		}
	}
}

func (c *check) valueFrom(p path, v *corev1.EnvVar) {
	from := v.ValueFrom
	switch names, dropped := sources(reflect.ValueOf(from).Elem()); {
	case len(names) == 0 && !dropped:
		c.add(p, nil, "must have one of fieldRef, resourceFieldRef, configMapKeyRef and secretKeyRef")
	case len(names) > 1:
		c.add(p, strings.Join(names, ", "), "may have one source only")
	case v.Value != "":
		c.add(p, nil, "cannot be set together with value")
	}
	c.fieldRef(p.child("fieldRef"), from.FieldRef)
	c.resourceRef(p.child("resourceFieldRef"), from.ResourceFieldRef)
	if r := from.ConfigMapKeyRef; r != nil {
		c.keyRef(p.child("configMapKeyRef"), r.Name, r.Key)
	}
	if r := from.SecretKeyRef; r != nil {
		c.keyRef(p.child("secretKeyRef"), r.Name, r.Key)
	}
}

func (c *check) keyRef(p path, name, key string) {
	c.all(p.child("name"), name, apivalidation.NameIsDNSSubdomain(name, false))
	if key == "" {
		c.required(p.child("key"), "")
		return
	}
	c.all(p.child("key"), key, validation.IsConfigMapKey(key))
}

func (c *check) envFrom(p path, from []corev1.EnvFromSource) {
	for i := range from {
		f, p := &from[i], p.item(i, "")
		if f.Prefix != "" {
			c.all(p.child("prefix"), f.Prefix, validation.IsRelaxedEnvVarName(f.Prefix))
		}
		if (f.ConfigMapRef != nil) == (f.SecretRef != nil) {
			c.add(p, nil, "must have one of configMapRef and secretRef")
		}
		if r := f.ConfigMapRef; r != nil {
			c.all(p.child("configMapRef.name"), r.Name, apivalidation.NameIsDNSSubdomain(r.Name, true))
		}
		if r := f.SecretRef; r != nil {
			c.all(p.child("secretRef.name"), r.Name, apivalidation.NameIsDNSSubdomain(r.Name, true))
		}
	}
}

// fieldPaths are the fields that a container may be told of.
func fieldPaths() []string {
	return []string{
		"metadata.name", "metadata.namespace", "metadata.uid", "metadata.labels", "metadata.annotations",
		"spec.nodeName", "spec.serviceAccountName",
		"status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
	}
}

// fieldRef checks the name of a field.
func (c *check) fieldRef(p path, r *corev1.ObjectFieldSelector) {
	if r == nil {
		return
	}
	if r.APIVersion != "" && r.APIVersion != "v1" {
		c.add(p.child("apiVersion"), r.APIVersion, `must be "v1"`)
	}
	c.required(p.child("fieldPath"), r.FieldPath)
	known := fieldPaths()
	name, subscript, found := strings.Cut(r.FieldPath, "[")
	if found && slices.Contains(known[3:5], name) && strings.HasPrefix(subscript, "'") && strings.HasSuffix(subscript, "']") {
		return
	}
	c.selector(p.child("fieldPath"), r.FieldPath, known)
}

// selector checks the name of a field or resource. Newer versions of Kubernetes have more
// of them, so one that is not known is wrong only where it looks misspelled, or is no
// such name.
func (c *check) selector(p path, value string, known []string) {
	if slices.Contains(known, value) {
		return
	}
	root, _, _ := strings.Cut(value, ".")
	if near := nearest.Of(value, known); near != "" {
		c.add(p, value, "is not known, did you mean %q?", near)
	} else if !slices.ContainsFunc(known, func(k string) bool { return strings.HasPrefix(k, root+".") }) {
		c.add(p, value, "is not known, must be one of %q", known)
	}
}

func (c *check) resourceRef(p path, r *corev1.ResourceFieldSelector) {
	if r == nil {
		return
	}
	c.required(p.child("resource"), r.Resource)
	c.selector(p.child("resource"), r.Resource, []string{"limits.cpu", "limits.memory", "limits.ephemeral-storage", "requests.cpu", "requests.memory", "requests.ephemeral-storage"})
	if r.Divisor.IsZero() {
		return
	}
	allowed := []string{"1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"}
	if strings.HasSuffix(r.Resource, ".cpu") {
		allowed = []string{"1m", "1"}
	}
	if slices.Contains([]string{"cpu", "memory", "ephemeral-storage"}, r.Resource[strings.IndexByte(r.Resource, '.')+1:]) {
		oneOf(c, p.child("divisor"), r.Divisor.String(), allowed...)
	}
}
