package partial

import (
	"reflect"
	"text/template/parse"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render/internal/functions"
)

// function is the call of a function. The result of the pipeline so far, if there
// is one, is its last argument.
func (c *compiler) function(name string, nodes []parse.Node, final *expr, s *scope) *expr {
	if _, ours := c.Funcs[name]; !ours {
		return c.builtin(name, nodes, final, s)
	}
	fn := reflect.ValueOf(c.Funcs[name])
	typ := fn.Type()
	count := len(nodes)
	if final != nil {
		count++
	}
	if count < typ.NumIn()-1 || count != typ.NumIn() && !typ.IsVariadic() {
		c.unsupported()
	}
	args := make([]*expr, 0, count)
	for i, n := range nodes {
		args = append(args, c.argument(n, parameter(typ, i), s))
	}
	if final != nil {
		args = append(args, c.assigned(final, parameter(typ, len(nodes))))
	}
	e := c.fold(c.bind(name, fn, args), args...)
	if e.constant {
		c.take(call2(functions.Size, e.value, maxConstants))
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
func (c *compiler) argument(n parse.Node, typ reflect.Type, s *scope) *expr {
	switch n := n.(type) {
	case *parse.NilNode:
		switch typ.Kind() {
		case reflect.Interface, reflect.Map, reflect.Pointer, reflect.Slice:
			return known(reflect.Zero(typ))
		}
	case *parse.NumberNode:
		if typ.Kind() != reflect.Interface {
			return c.typedNumber(n, typ)
		}
	case *parse.IdentifierNode:
		return c.assigned(c.function(n.Ident, nil, nil, s), typ)
	}
	return c.assigned(c.operand(n, s), typ)
}

func (c *compiler) typedNumber(n *parse.NumberNode, typ reflect.Type) *expr {
	v := reflect.New(typ).Elem()
	switch {
	case n.IsInt && v.CanInt():
		v.SetInt(n.Int64)
	case n.IsFloat && v.CanFloat():
		v.SetFloat(n.Float64)
	default:
		c.unsupported()
	}
	return known(v)
}

// assigned is a value made into one of the type that a parameter has.
func (c *compiler) assigned(e *expr, typ reflect.Type) *expr {
	if e.typ != nil && e.typ.AssignableTo(typ) {
		return e
	}
	eval := e.eval
	return c.fold(typed(typ, func(f *frame) reflect.Value { return assign(eval(f), typ) }), e)
}

// bind binds a function to its arguments: without reflection where its type is one
// of those that templates' functions mostly have.
func (c *compiler) bind(name string, fn reflect.Value, args []*expr) *expr {
	if e := c.specialized(name, args); e != nil {
		return e
	}
	if e := direct(fn.Interface(), args); e != nil {
		return e
	}
	return typed(fn.Type().Out(0), func(f *frame) reflect.Value {
		values := make([]reflect.Value, len(args))
		for i, a := range args {
			values[i] = a.eval(f)
		}
		return invoke(fn, values)
	})
}

// specialized returns a call of a function that gains from what is known of its
// arguments, or nil.
func (c *compiler) specialized(name string, args []*expr) *expr {
	switch {
	case name == "default" && len(args) == 2 && args[0].typ == stringType && args[1].typ == stringType:
		// Of strings, only the empty one is empty. Both are evaluated, because
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
		// The default's text is made once.
		var def string
		if !attempt(c.Defect, func() { def = call1(functions.Text, interfaceOf(args[2].value)) }) {
			return nil
		}
		c.take(len(def))
		meta, key := asMeta(args[0]), asText(args[1])
		return textual(func(f *frame) string {
			m, k := meta(f), key(f)
			if m == nil {
				fallBack()
			}
			if value, ok := m.Annotations[k]; ok {
				return value
			}
			return def
		})
	}
	return nil
}
