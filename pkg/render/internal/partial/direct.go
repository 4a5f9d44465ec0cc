package partial

import (
	"reflect"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// direct returns a call of a function without reflection, which costs several times
// what such functions do. The arguments have the parameters' types. It returns nil
// for types of functions that are not listed.
func direct(fn any, args []*expr) *expr {
	switch fn := fn.(type) {
	case func(string) string:
		a := asText(args[0])
		return textual(func(f *frame) string { return call1(fn, a(f)) })
	case func(string, string) string:
		a, b := asText(args[0]), asText(args[1])
		return textual(func(f *frame) string { return call2(fn, a(f), b(f)) })
	case func(int, string) string:
		a, b := args[0].eval, asText(args[1])
		return textual(func(f *frame) string { return call2(fn, int(a(f).Int()), b(f)) })
	case func(any, string) string:
		a, b := asAny(args[0]), asText(args[1])
		return textual(func(f *frame) string { return call2(fn, a(f), b(f)) })
	case func(string, any) string:
		a, b := asText(args[0]), asAny(args[1])
		return textual(func(f *frame) string { return call2(fn, a(f), b(f)) })
	case func(...any) string:
		list := asList(args)
		return textual(func(f *frame) string { return callList(fn, list(f)) })
	case func(string, ...any) string:
		a, list := asText(args[0]), asList(args[1:])
		return textual(func(f *frame) string { return callWithList(fn, a(f), list(f)) })
	case func([]corev1.Container) string:
		a := args[0].eval
		return textual(func(f *frame) string { return call1(fn, a(f).Interface().([]corev1.Container)) })
	case func(*metav1.ObjectMeta, string, any) string:
		meta, a, b := asMeta(args[0]), asText(args[1]), asAny(args[2])
		return textual(func(f *frame) string { return call3(fn, meta(f), a(f), b(f)) })
	case func(any) (string, error):
		a := asAny(args[0])
		return textual(func(f *frame) string {
			return callOrFail(fn, a(f))
		})
	case func(string, string) bool:
		a, b := asText(args[0]), asText(args[1])
		return boolean(func(f *frame) bool { return call2(fn, a(f), b(f)) })
	case func(map[string]string, string) bool:
		m, a := asStrings(args[0]), asText(args[1])
		return boolean(func(f *frame) bool { return call2(fn, m(f), a(f)) })
	case func(any) any:
		a := asAny(args[0])
		return fromAny(func(f *frame) any { return call1(fn, a(f)) })
	case func(any, any) any:
		a, b := asAny(args[0]), asAny(args[1])
		return fromAny(func(f *frame) any { return call2(fn, a(f), b(f)) })
	case func(any, ...any) any:
		a, list := asAny(args[0]), asList(args[1:])
		return fromAny(func(f *frame) any { return callWithList(fn, a(f), list(f)) })
	case func(any, any) []any:
		a, b := asAny(args[0]), asAny(args[1])
		return fromList(func(f *frame) []any { return call2(fn, a(f), b(f)) })
	case func(...any) []any:
		list := asList(args)
		return fromList(func(f *frame) []any { return callList(fn, list(f)) })
	}
	return nil
}

func fromAny(get func(*frame) any) *expr {
	return dynamic(func(f *frame) reflect.Value { return reflect.ValueOf(get(f)) })
}

func fromList(get func(*frame) []any) *expr {
	return typed(reflect.TypeFor[[]any](), func(f *frame) reflect.Value { return reflect.ValueOf(get(f)) })
}

func asText(e *expr) func(*frame) string {
	if e.text != nil {
		return e.text
	}
	eval := e.eval
	return func(f *frame) string { return eval(f).String() }
}

func asMeta(e *expr) func(*frame) *metav1.ObjectMeta {
	eval := e.eval
	return func(f *frame) *metav1.ObjectMeta { return eval(f).Interface().(*metav1.ObjectMeta) }
}

func asStrings(e *expr) func(*frame) map[string]string {
	eval := e.eval
	return func(f *frame) map[string]string { return eval(f).Interface().(map[string]string) }
}

func asAny(e *expr) func(*frame) any {
	if e.constant {
		v := interfaceOf(e.value)
		return func(*frame) any { return v }
	}
	if text := e.text; text != nil && e.typ == stringType {
		return func(f *frame) any { return text(f) }
	}
	eval := e.eval
	return func(f *frame) any { return interfaceOf(eval(f)) }
}

func asList(args []*expr) func(*frame) []any {
	each := make([]func(*frame) any, len(args))
	for i, a := range args {
		each[i] = asAny(a)
	}
	return func(f *frame) []any {
		list := make([]any, len(each))
		for i, get := range each {
			list[i] = get(f)
		}
		return list
	}
}
