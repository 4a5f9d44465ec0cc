package render

import (
	"reflect"
	"text/template/parse"
)

// chain follows names from a value: fields, methods, keys of maps. Arguments are
// for the last one, and only methods take any, which nobody writes: those are
// left to text/template.
func (r *reducer) chain(e *expr, names []string, args []parse.Node, final *expr, at *place) *expr {
	if len(args) > 0 || final != nil {
		return failing()
	}
	for _, name := range names {
		e = r.field(e, name)
	}
	return e
}

func (r *reducer) field(e *expr, name string) *expr {
	if e == r.root {
		if i, ok := r.constants[name]; ok {
			return known(i)
		}
	}
	eval := e.eval
	if get, typ := accessor(e.typ, name); get != nil {
		return fold(typed(typ, func(f *frame) reflect.Value { return get(eval(f)) }), e)
	}
	return fold(dynamic(func(f *frame) reflect.Value { return fieldOf(eval(f), name) }), e)
}

// accessor finds out beforehand where a type holds the field of that name; nil
// where only the value tells.
func accessor(typ reflect.Type, name string) (func(reflect.Value) reflect.Value, reflect.Type) {
	if typ == nil {
		return nil, nil
	}
	target := typ
	if target.Kind() == reflect.Pointer {
		target = target.Elem()
	}
	if target.Kind() != reflect.Struct {
		return nil, nil
	}
	if _, method := reflect.PointerTo(target).MethodByName(name); method {
		return nil, nil
	}
	field, ok := target.FieldByName(name)
	if !ok || !field.IsExported() || len(field.Index) != 1 {
		return nil, nil
	}
	i := field.Index[0]
	if typ.Kind() == reflect.Pointer {
		// Elem of nil has no fields: that panics, and the program gives up.
		return func(v reflect.Value) reflect.Value { return v.Elem().Field(i) }, field.Type
	}
	return func(v reflect.Value) reflect.Value { return v.Field(i) }, field.Type
}

// fieldOf is a field, a method without arguments, or the value of a key. It
// gives up where text/template fails.
func fieldOf(receiver reflect.Value, name string) reflect.Value {
	if !receiver.IsValid() {
		return receiver
	}
	receiver, isNil := indirect(receiver)
	if receiver.Kind() == reflect.Interface {
		giveUp()
	}
	ptr := receiver
	if ptr.Kind() != reflect.Pointer && ptr.CanAddr() {
		ptr = ptr.Addr()
	}
	if method := ptr.MethodByName(name); method.IsValid() {
		return invoke(method, nil)
	}
	switch {
	case isNil:
	case receiver.Kind() == reflect.Struct:
		if field, ok := receiver.Type().FieldByName(name); ok && field.IsExported() {
			if v, err := receiver.FieldByIndexErr(field.Index); err == nil {
				return v
			}
		}
	case receiver.Kind() == reflect.Map && stringType.AssignableTo(receiver.Type().Key()):
		return receiver.MapIndex(reflect.ValueOf(name))
	}
	giveUp()
	return reflect.Value{}
}

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

// invoke calls a function or method that returns one value, or a value and an
// error.
func invoke(fn reflect.Value, args []reflect.Value) reflect.Value {
	out := fn.Call(args)
	if len(out) == 2 && !out[1].IsNil() {
		giveUp()
	}
	return out[0]
}

// truthOf is the meaning that text/template gives to a value as a condition.
func truthOf(v reflect.Value) bool {
	v = indirectInterface(v)
	switch v.Kind() {
	case reflect.Invalid:
		return false
	case reflect.Map, reflect.Slice, reflect.String, reflect.Array:
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
	giveUp()
	return false
}
