//go:build integration

package podcheck

import (
	"math/rand/v2"
	"reflect"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// odd are texts that some rule refuses, or that others take for odd and are not.
var odd = []string{
	"", " ", "a", "A", "X_Bad", "a b", " a", "a ", "-", "a-", "1", "-1", "a.b", "a..b", "a/b", "/a", "../a", "a/../b", "..", "é", "a=b", "a:b", "a\nb", "$(A)", "_", ".",
	strings.Repeat("a", 63), strings.Repeat("a", 64), strings.Repeat("a", 254), "example.com/x", "http", "second", "app", "init", "empty", "secret", "/b", "10.0.0.1", "::1",
	"Always", "Never", "OnFailure", "IfNotPresent", "always", "TCP", "tcp", "SCTP", "HTTPS", "Localhost", "Unconfined", "RuntimeDefault", "None", "Bidirectional", "Default", "Directory",
	"metadata.name", "metadata.nmae", "metadata.labels", "status.podIP", "spec.nodeName", "limits.cpu", "limits.hugepages-2Mi", "requests.memroy", "v1", "v2", "CAP_SYS_ADMIN", "<no value>",
}

var oddNumbers = []int64{-1, 0, 1, 2, 31, 80, 511, 512, 599, 600, 5000, 65535, 65536, 1 << 31, 1<<32 + 1}

var oddQuantities = []string{"-1", "0", "1", "1m", "0.0001", "0.5", "1Gi", "3Gi", "3Mi", "100", "2"}

var oddResources = []corev1.ResourceName{"cpu", "memory", "gpu", "hugepages-2Mi", "hugepages-x", "example.com/gpu", "requests.example.com/gpu", "kubernetes.io/x", "ephemeral-storage", "storage", "a/b/c"}

// mutate changes one thing in a value, at random.
func mutate(r *rand.Rand, v reflect.Value) {
	var places []func()
	collect(r, v, &places)
	places[r.IntN(len(places))]()
}

// collect gathers what can be changed.
func collect(r *rand.Rand, v reflect.Value, places *[]func()) {
	add := func(f func()) { *places = append(*places, f) }
	switch of := v.Addr().Interface().(type) {
	case *resource.Quantity:
		add(func() { *of = resource.MustParse(oddQuantities[r.IntN(len(oddQuantities))]) })
		return
	case *intstr.IntOrString:
		add(func() { *of = intstr.FromInt32(int32(oddNumbers[r.IntN(len(oddNumbers))])) })
		add(func() { *of = intstr.FromString(odd[r.IntN(len(odd))]) })
		return
	case *corev1.ResourceList:
		add(func() {
			if *of == nil {
				*of = corev1.ResourceList{}
			}
			(*of)[oddResources[r.IntN(len(oddResources))]] = resource.MustParse(oddQuantities[r.IntN(len(oddQuantities))])
		})
		add(func() { *of = nil })
		return
	case *metav1.Time, *metav1.MicroTime:
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			switch v.Type().Field(i).Name {
			case "TypeMeta", "Status", "Name", "Namespace", "OwnerReferences", "EphemeralContainers", "ServiceAccountName", "DeprecatedServiceAccount",
				"NodeName", "PriorityClassName", "RuntimeClassName", "HostUsers", "OS", "Overhead", "Priority", "ManagedFields", "WindowsOptions", "UID", "GenerateName", "ResourceVersion", "Generation":
				// They depend on the cluster, or the server ignores or sets them.
				if v.Type().Field(i).Name != "Name" || v.Type() == reflect.TypeFor[metav1.ObjectMeta]() {
					continue
				}
			}
			collect(r, v.Field(i), places)
		}
	case reflect.Pointer:
		if v.IsNil() {
			add(func() { v.Set(reflect.New(v.Type().Elem())) })
			return
		}
		add(func() { v.SetZero() })
		collect(r, v.Elem(), places)
	case reflect.Slice:
		if v.Len() == 0 {
			add(func() { v.Set(reflect.MakeSlice(v.Type(), 1, 1)) })
			return
		}
		add(func() { v.Set(reflect.Append(v, v.Index(r.IntN(v.Len())))) })
		add(func() { v.Set(v.Slice(1, v.Len())) })
		for i := range v.Len() {
			collect(r, v.Index(i), places)
		}
	case reflect.Map:
		if v.Type().Elem().Kind() == reflect.String {
			add(func() {
				if v.IsNil() {
					v.Set(reflect.MakeMap(v.Type()))
				}
				v.SetMapIndex(reflect.ValueOf(odd[r.IntN(len(odd))]), reflect.ValueOf(odd[r.IntN(len(odd))]))
			})
		}
	case reflect.String:
		for range 2 { // texts have the most rules
			add(func() { v.SetString(odd[r.IntN(len(odd))]) })
		}
	case reflect.Bool:
		add(func() { v.SetBool(!v.Bool()) })
	case reflect.Int32, reflect.Int64:
		add(func() {
			n := oddNumbers[r.IntN(len(oddNumbers))]
			if v.Kind() == reflect.Int32 {
				n = int64(int32(n))
			}
			v.SetInt(n)
		})
	}
}
