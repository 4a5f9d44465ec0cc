package inject

import (
	"reflect"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
)

// removeTemplateFields removes from a spec the fields that a template sets, where
// they still have the template's value. Lists whose items the status annotation
// names stay as they are.
func removeTemplateFields(spec, template *corev1.PodSpec) {
	s, t := reflect.ValueOf(spec).Elem(), reflect.ValueOf(template).Elem()
	for i := range t.NumField() {
		switch t.Type().Field(i).Name {
		case "Containers", "InitContainers", "Volumes", "ImagePullSecrets", "EphemeralContainers":
			continue
		}
		if !t.Field(i).IsZero() && equality.Semantic.DeepEqual(s.Field(i).Interface(), t.Field(i).Interface()) {
			s.Field(i).SetZero()
		}
	}
}

// possibleOriginals returns what the value of a label or annotation may have been
// before a template set it or appended to it: nothing (nil), the comma separated
// list without its last item, or the JSON array without its last object.
func possibleOriginals(value string) []*string {
	out := []*string{nil}
	add := func(s string) { out = append(out, &s) }
	if i := strings.LastIndexByte(value, ']'); i >= 0 {
		if j := strings.LastIndex(value[:i], ", {"); j >= 0 {
			add(value[:j] + value[i:])
		}
		return out
	}
	if i := strings.LastIndexByte(value, ','); i >= 0 {
		add(strings.TrimRight(value[:i], " "))
	}
	return out
}
