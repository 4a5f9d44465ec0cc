package post

import (
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
)

// UnmoveProxy puts a proxy that the user had declared, and that has been moved,
// back to the end of the containers: from among the init containers, where one
// without restartPolicy must have been moved, since it would never have let the
// application start; or from the front.
func UnmoveProxy(spec *corev1.PodSpec) {
	if c := Find(spec.InitContainers, Proxy); c != nil && c.RestartPolicy == nil {
		spec.Containers = append(slices.Clip(spec.Containers), *c)
		spec.InitContainers = slices.DeleteFunc(slices.Clone(spec.InitContainers), func(c corev1.Container) bool { return c.Name == Proxy })
	}
	back(spec.Containers, Proxy)
}

// SecurePortOf returns the port that SecurePort has announced.
func SecurePortOf(proxy *corev1.Container) (string, bool) {
	if proxy == nil {
		return "", false
	}
	e := lookupEnv(proxy, SecurePortEnv)
	if e == nil || e.Value == "" || e.Value == "0" {
		return "", false
	}
	return e.Value, true
}

// ForgetFields removes from a spec the fields that a template sets, where they
// still have the template's value. The lists that the status names are not
// looked at.
func ForgetFields(spec, template *corev1.PodSpec) {
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

// Shortened returns what a value may have been before a template gave it or
// added to it: nothing (nil), the list without its last item, or the JSON array
// without its last object.
func Shortened(value string) []*string {
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
