package patch

import (
	"bytes"
	"encoding/json"
	"reflect"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
)

func equalField(f *podschema.Field, a, b reflect.Value) bool {
	return equalValue(f.Type, f.Pointer, a, b)
}

func equalValue(t *podschema.Type, pointer bool, a, b reflect.Value) bool {
	if !pointer {
		return equal(t, a, b)
	}
	if a.IsNil() || b.IsNil() {
		return a.IsNil() && b.IsNil()
	}
	return a.UnsafePointer() == b.UnsafePointer() || equal(t, a.Elem(), b.Elem())
}

// equal compares two values by what they mean, not by how they are held: nil
// and empty lists are equal, and so are two spellings of one quantity.
func equal(t *podschema.Type, a, b reflect.Value) bool {
	switch t.Kind {
	case podschema.Bool:
		return a.Bool() == b.Bool()
	case podschema.Int:
		return a.Int() == b.Int()
	case podschema.String:
		return a.String() == b.String()
	case podschema.Struct:
		x, y := podschema.Over(a), podschema.Over(b)
		for i := range t.Fields {
			f := &t.Fields[i]
			if !equalField(f, x.Value(f), y.Value(f)) {
				return false
			}
		}
		return true
	case podschema.Map:
		return equalMap(t, a, b)
	case podschema.List:
		if a.Len() != b.Len() {
			return false
		}
		if a.Len() == 0 || a.UnsafePointer() == b.UnsafePointer() {
			return true
		}
		if env, ok := variables(a); ok {
			if other, ok := variables(b); ok {
				return equalVariables(env, other)
			}
		}
		for i := range a.Len() {
			if !equalValue(t.Elem, t.ElemPointer, a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	}
	return equalLeaf(a, b)
}

// variables looks at a list without reflection if it is the one kind of list that
// can be long: some applications have thousands of variables.
func variables(v reflect.Value) ([]corev1.EnvVar, bool) {
	if !v.CanAddr() {
		return nil, false
	}
	list, ok := v.Addr().Interface().(*[]corev1.EnvVar)
	if !ok {
		return nil, false
	}
	return *list, true
}

func equalVariables(a, b []corev1.EnvVar) bool {
	for i := range a {
		if a[i].Name != b[i].Name || a[i].Value != b[i].Value {
			return false
		}
		if a[i].ValueFrom != b[i].ValueFrom && !equality.Semantic.DeepEqual(a[i].ValueFrom, b[i].ValueFrom) {
			return false
		}
	}
	return true
}

func equalMap(t *podschema.Type, a, b reflect.Value) bool {
	if a.Len() != b.Len() {
		return false
	}
	if a.Len() == 0 || a.UnsafePointer() == b.UnsafePointer() {
		return true
	}
	for entries := a.MapRange(); entries.Next(); {
		other := b.MapIndex(entries.Key())
		if !other.IsValid() || !equalValue(t.Elem, t.ElemPointer, entries.Value(), other) {
			return false
		}
	}
	return true
}

func equalLeaf(a, b reflect.Value) bool {
	if a.CanAddr() && b.CanAddr() { // the usual ones, without a copy of each
		switch x := a.Addr().Interface().(type) {
		case *resource.Quantity:
			return x.Equal(*b.Addr().Interface().(*resource.Quantity))
		case *metav1.Time:
			if *x == *b.Addr().Interface().(*metav1.Time) {
				return true
			}
		case *intstr.IntOrString:
			y := b.Addr().Interface().(*intstr.IntOrString)
			return x.Type == y.Type && (x.Type != intstr.Int || x.IntVal == y.IntVal) && (x.Type != intstr.String || x.StrVal == y.StrVal)
		}
	}
	x, y := a.Interface(), b.Interface()
	if q, ok := x.(resource.Quantity); ok {
		return q.Equal(y.(resource.Quantity))
	}
	if a.Comparable() && b.Comparable() && x == y {
		return true
	}
	m, errX := json.Marshal(x)
	n, errY := json.Marshal(y)
	return errX == nil && errY == nil && bytes.Equal(m, n)
}
