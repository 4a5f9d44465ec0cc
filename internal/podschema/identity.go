package podschema

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Identify returns what tells an element of a List apart from the others: the
// values of its Identity, or a scalar itself. A port without a protocol is one for
// TCP, the API's default. Elements of a type without Identity all have the same.
func (t *Type) Identify(element reflect.Value) string {
	switch {
	case t.Elem.Kind != Struct:
		return scalarIdentity(element)
	case len(t.Identity) == 0:
		return ""
	case len(t.Identity) == 1:
		return scalarIdentity(t.Identity[0].Of(element))
	}
	parts := make([]string, len(t.Identity))
	for i, f := range t.Identity {
		if parts[i] = scalarIdentity(f.Of(element)); f.Name == "protocol" {
			parts[i] = orTCP(parts[i])
		}
	}
	return strings.Join(parts, "/")
}

// SameIdentity reports whether two elements of a List have the same identity, without
// the memory that Identify takes. Elements of a type without Identity all have the
// same.
func (t *Type) SameIdentity(a, b reflect.Value) bool {
	if t.Elem.Kind != Struct {
		return scalarIdentity(a) == scalarIdentity(b)
	}
	for _, f := range t.Identity {
		x, y := f.Of(a), f.Of(b)
		if x.Kind() != reflect.String {
			if x.Int() != y.Int() {
				return false
			}
			continue
		}
		m, n := x.String(), y.String()
		if f.Name == "protocol" && len(t.Identity) > 1 {
			m, n = orTCP(m), orTCP(n)
		}
		if m != n {
			return false
		}
	}
	return true
}

func orTCP(protocol string) string {
	if protocol == "" {
		return string(corev1.ProtocolTCP)
	}
	return protocol
}

func scalarIdentity(v reflect.Value) string {
	switch v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10)
	}
	return fmt.Sprint(v)
}

// Keys returns an identity for each element of a List that no other element of the
// list has: what Identify returns and, for the second and later elements of one
// identity, their number. Elements without Identity are told apart by position.
func (t *Type) Keys(list reflect.Value) []string {
	keys := make([]string, list.Len())
	seen := make(map[string]int, len(keys))
	for i := range keys {
		id := ""
		if !t.ElemPointer {
			id = t.Identify(list.Index(i))
		}
		keys[i] = id
		if n := seen[id]; n > 0 {
			// No identity has a NUL byte: API servers refuse it in each of these fields.
			keys[i] = id + "\x00" + strconv.Itoa(n)
		}
		seen[id]++
	}
	return keys
}
