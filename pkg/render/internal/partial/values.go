package partial

import (
	"fmt"
	"reflect"
)

var (
	stringType   = reflect.TypeFor[string]()
	boolType     = reflect.TypeFor[bool]()
	errorType    = reflect.TypeFor[error]()
	stringerType = reflect.TypeFor[fmt.Stringer]()
	anyType      = reflect.TypeFor[any]()
	stringsType  = reflect.TypeFor[map[string]string]()
)

// indirect follows pointers and interfaces. With isNil, what it returns is the
// pointer or interface that is nil.
func indirect(v reflect.Value) (target reflect.Value, isNil bool) {
	for ; v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface; v = v.Elem() {
		if v.IsNil() {
			return v, true
		}
	}
	return v, false
}

func indirectInterface(v reflect.Value) reflect.Value {
	if v.Kind() != reflect.Interface {
		return v
	}
	return v.Elem()
}

// interfaceOf is the value as an argument of a function that takes any.
func interfaceOf(v reflect.Value) any {
	if !v.IsValid() {
		return nil
	}
	return v.Interface()
}

// truthOf is the meaning that text/template gives to a value as a condition.
func truthOf(v reflect.Value) bool {
	v = indirectInterface(v)
	switch v.Kind() {
	case reflect.Invalid:
		return false
	case reflect.Map, reflect.Slice, reflect.String:
		return v.Len() > 0
	case reflect.Bool:
		return v.Bool()
	case reflect.Pointer:
		return !v.IsNil()
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int() != 0
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return v.Uint() != 0
	case reflect.Float32, reflect.Float64:
		return v.Float() != 0
	case reflect.Struct:
		return true
	}
	fallBack()
	return false
}

// printed is the text that text/template prints for a value.
func printed(v reflect.Value) string {
	if v.Kind() == reflect.Pointer {
		v, _ = indirect(v)
	}
	if !v.IsValid() {
		return "<no value>"
	}
	if v.Type() == stringType {
		return v.String()
	}
	if !printsItself(v.Type()) {
		if v.CanAddr() && printsItself(reflect.PointerTo(v.Type())) {
			v = v.Addr()
		} else if k := v.Kind(); k == reflect.Chan || k == reflect.Func {
			fallBack()
		}
	}
	return fmt.Sprint(v.Interface())
}

func printsItself(t reflect.Type) bool {
	return t.Implements(errorType) || t.Implements(stringerType)
}

// assign makes a value into one of the type that a parameter has, as far as
// text/template does that.
func assign(v reflect.Value, typ reflect.Type) reflect.Value {
	if !v.IsValid() {
		switch typ.Kind() {
		case reflect.Interface, reflect.Map, reflect.Pointer, reflect.Slice:
			return reflect.Zero(typ)
		}
		fallBack()
	}
	if typ == anyType || v.Type().AssignableTo(typ) {
		return v
	}
	if v.Kind() == reflect.Interface && !v.IsNil() {
		if v = v.Elem(); v.Type().AssignableTo(typ) {
			return v
		}
	}
	switch {
	case v.Kind() == reflect.Pointer && v.Type().Elem().AssignableTo(typ) && !v.IsNil():
		return v.Elem()
	case v.CanAddr() && reflect.PointerTo(v.Type()).AssignableTo(typ):
		return v.Addr()
	}
	fallBack()
	return v
}
