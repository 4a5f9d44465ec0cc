package render

import (
	"fmt"
	"reflect"
)

// show is the step that prints a value.
func show(e *expr) step {
	if e.text != nil && !printsItself(reflect.PointerTo(e.typ)) {
		text := e.text
		return func(f *frame) signal { f.write(text(f)); return done }
	}
	eval := e.eval
	return func(f *frame) signal { f.write(printed(eval(f))); return done }
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
			giveUp()
		}
	}
	return fmt.Sprint(v.Interface())
}

func printsItself(t reflect.Type) bool {
	return t.Implements(errorType) || t.Implements(stringerType)
}

var (
	stringType   = reflect.TypeFor[string]()
	boolType     = reflect.TypeFor[bool]()
	errorType    = reflect.TypeFor[error]()
	stringerType = reflect.TypeFor[fmt.Stringer]()
	anyType      = reflect.TypeFor[any]()
)
