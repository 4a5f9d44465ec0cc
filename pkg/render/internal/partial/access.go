package partial

import (
	"reflect"
	"strings"
)

// chain follows names from a value: fields, methods, keys of maps.
func (c *compiler) chain(e *expr, names []string) *expr {
	for _, name := range names {
		e = c.field(e, name)
	}
	return e
}

func (c *compiler) field(e *expr, name string) *expr {
	if e == c.root {
		if v, ok := c.constants[name]; ok {
			return known(v)
		}
	}
	if e.typ != nil && hasMethod(e.typ, name) && !supportedMethod(name) {
		c.unsupported()
	}
	eval := e.eval
	if get, typ := accessor(e.typ, name); get != nil {
		return c.fold(typed(typ, func(f *frame) reflect.Value { return get(eval(f)) }), e)
	}
	return c.fold(dynamic(func(f *frame) reflect.Value { return fieldOf(eval(f), name) }), e)
}

// supportedMethod reports whether programs call a method of that name: getters of
// generated messages and of metadata, and what prints. Whether it has other results
// than one is seen when it is called.
func supportedMethod(name string) bool {
	return name == "String" || strings.HasPrefix(name, "Get")
}

func hasMethod(typ reflect.Type, name string) bool {
	if _, ok := typ.MethodByName(name); ok {
		return true
	}
	_, ok := reflect.PointerTo(typ).MethodByName(name)
	return ok
}

// accessor finds out beforehand where a type holds the field of that name; nil
// where only the value tells.
func accessor(typ reflect.Type, name string) (func(reflect.Value) reflect.Value, reflect.Type) {
	if typ == nil || hasMethod(typ, name) {
		return nil, nil
	}
	target, pointer := typ, typ.Kind() == reflect.Pointer
	if pointer {
		target = target.Elem()
	}
	if target.Kind() != reflect.Struct {
		return nil, nil
	}
	field, ok := target.FieldByName(name)
	if !ok || !field.IsExported() || len(field.Index) != 1 {
		return nil, nil
	}
	i := field.Index[0]
	if !pointer {
		return func(v reflect.Value) reflect.Value { return v.Field(i) }, field.Type
	}
	return func(v reflect.Value) reflect.Value {
		if v.IsNil() {
			fallBack()
		}
		return v.Elem().Field(i)
	}, field.Type
}

// fieldOf is a field, a method without arguments, or the value of a key. It falls
// back where text/template fails.
func fieldOf(receiver reflect.Value, name string) reflect.Value {
	if !receiver.IsValid() {
		return receiver
	}
	receiver, isNil := indirect(receiver)
	if receiver.Kind() == reflect.Interface {
		fallBack()
	}
	ptr := receiver
	if ptr.Kind() != reflect.Pointer && ptr.CanAddr() {
		ptr = ptr.Addr()
	}
	if method := ptr.MethodByName(name); method.IsValid() {
		if typ := method.Type(); !supportedMethod(name) || typ.NumIn() != 0 || typ.NumOut() != 1 {
			fallBack()
		}
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
	fallBack()
	return reflect.Value{}
}
