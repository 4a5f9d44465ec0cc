package render

import (
	"reflect"
	"text/template/parse"
)

// call is the call of a function. The result of the pipeline so far, if there is
// one, is its last argument.
func (r *reducer) call(name string, nodes []parse.Node, final *expr, at *place) *expr {
	if _, ours := r.funcs[name]; !ours {
		return r.builtin(name, nodes, final, at)
	}
	fn := reflect.ValueOf(r.funcs[name])
	typ := fn.Type()
	count := len(nodes)
	if final != nil {
		count++
	}
	if count < typ.NumIn()-1 || count != typ.NumIn() && !typ.IsVariadic() {
		return failing()
	}
	args := make([]*expr, 0, count)
	for i, n := range nodes {
		args = append(args, r.argument(n, parameter(typ, i), at))
	}
	if final != nil {
		args = append(args, assigned(final, parameter(typ, len(nodes))))
	}
	e := fold(r.bind(name, fn, args), args...)
	if e.constant {
		r.take(weigh(e.value, maxConstants))
	}
	return e
}

// parameter is the type that the i-th argument must have.
func parameter(fn reflect.Type, i int) reflect.Type {
	if last := fn.NumIn() - 1; fn.IsVariadic() && i >= last {
		return fn.In(last).Elem()
	}
	return fn.In(i)
}

// argument is the value of a node where a type is asked for.
func (r *reducer) argument(n parse.Node, typ reflect.Type, at *place) *expr {
	switch n := n.(type) {
	case *parse.NilNode:
		switch typ.Kind() {
		case reflect.Interface, reflect.Map, reflect.Pointer, reflect.Slice:
			return known(reflect.Zero(typ))
		}
		return failing()
	case *parse.NumberNode:
		if typ.Kind() != reflect.Interface {
			return typedNumber(n, typ)
		}
	case *parse.IdentifierNode:
		return assigned(r.call(n.Ident, nil, nil, at), typ)
	}
	return assigned(r.operand(n, at), typ)
}

func typedNumber(n *parse.NumberNode, typ reflect.Type) *expr {
	v := reflect.New(typ).Elem()
	switch {
	case n.IsInt && v.CanInt():
		v.SetInt(n.Int64)
	case n.IsFloat && v.CanFloat():
		v.SetFloat(n.Float64)
	default:
		return failing()
	}
	return known(v)
}

// assigned is a value made into one of the type that a parameter has, as far as
// text/template does that.
func assigned(e *expr, typ reflect.Type) *expr {
	if e.typ != nil && e.typ.AssignableTo(typ) {
		return e
	}
	eval := e.eval
	return fold(typed(typ, func(f *frame) reflect.Value { return assign(eval(f), typ) }), e)
}

func assign(v reflect.Value, typ reflect.Type) reflect.Value {
	if v.IsValid() && typ == anyType {
		return v
	}
	if !v.IsValid() {
		switch typ.Kind() {
		case reflect.Interface, reflect.Map, reflect.Pointer, reflect.Slice:
			return reflect.Zero(typ)
		}
		giveUp()
	}
	if v.Type().AssignableTo(typ) {
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
	giveUp()
	return v
}

// bind binds a function to its arguments: without reflection where its type is
// one of those that templates' functions mostly have.
func (r *reducer) bind(name string, fn reflect.Value, args []*expr) *expr {
	if e := r.special(name, args); e != nil {
		return e
	}
	if e := direct(fn.Interface(), args); e != nil {
		return e
	}
	return typed(fn.Type().Out(0), func(f *frame) reflect.Value {
		values := make([]reflect.Value, len(args))
		for i, a := range args {
			values[i] = a.eval(f)
			if !values[i].IsValid() {
				giveUp()
			}
		}
		return invoke(fn, values)
	})
}

// special are functions that gain from knowing more of their arguments.
func (r *reducer) special(name string, args []*expr) *expr {
	switch {
	case name == "default" && len(args) == 2 && args[0].typ == stringType && args[1].typ == stringType:
		// Of strings, only the empty one is empty. Both are evaluated all the same:
		// either may fail.
		def, given := args[0].text, args[1].text
		return textual(func(f *frame) string {
			d, s := def(f), given(f)
			if s != "" {
				return s
			}
			return d
		})
	case name == "annotation" && args[2].constant:
		var def string
		if !attempt(func() { def = text(interfaceOf(args[2].value)) }) {
			return nil
		}
		r.take(len(def))
		meta, key := asMeta(args[0]), asText(args[1])
		return textual(func(f *frame) string {
			if value, ok := meta(f).Annotations[key(f)]; ok {
				return value
			}
			return def
		})
	}
	return nil
}
