package render

import (
	"reflect"
	"strings"
	"text/template/parse"
)

// expr is an expression of a program.
type expr struct {
	// typ is the type of its value; nil when only the run tells, or when there may
	// be no value at all.
	typ reflect.Type
	// constant tells that it has one value, known, for every pod.
	constant bool
	value    reflect.Value
	// kept tells that it stands in a slot of its own, which nothing assigns to.
	kept bool
	// eval is always there.
	eval func(*frame) reflect.Value
	// text and test give the value without a reflect.Value around it: text when its
	// kind is string, test when it is bool. They may be nil.
	text func(*frame) string
	test func(*frame) bool
}

func known(v reflect.Value) *expr {
	e := &expr{constant: true, value: v, eval: func(*frame) reflect.Value { return v }}
	if !v.IsValid() {
		return e
	}
	if v.Kind() != reflect.Interface {
		e.typ = v.Type()
	}
	switch v.Kind() {
	case reflect.String:
		s := v.String()
		e.text = func(*frame) string { return s }
	case reflect.Bool:
		b := v.Bool()
		e.test = func(*frame) bool { return b }
	}
	return e
}

func textual(text func(*frame) string) *expr {
	return &expr{typ: stringType, text: text, eval: func(f *frame) reflect.Value { return reflect.ValueOf(text(f)) }}
}

func boolean(test func(*frame) bool) *expr {
	return &expr{typ: boolType, test: test, eval: func(f *frame) reflect.Value { return reflect.ValueOf(test(f)) }}
}

func dynamic(eval func(*frame) reflect.Value) *expr { return &expr{eval: eval} }

// typed is an expression whose values are of the type, or of any where it is an
// interface type.
func typed(typ reflect.Type, eval func(*frame) reflect.Value) *expr {
	e := &expr{eval: eval}
	switch typ.Kind() {
	case reflect.Interface:
		return e
	case reflect.String:
		e.text = func(f *frame) string { return eval(f).String() }
	case reflect.Bool:
		e.test = func(f *frame) bool { return eval(f).Bool() }
	}
	e.typ = typ
	return e
}

// failing is an expression that has no value, for any pod that comes to it.
func failing() *expr {
	return dynamic(func(*frame) reflect.Value { giveUp(); return reflect.Value{} })
}

// fold works an expression out at once when nothing it is made of depends on the
// pod. One that fails stays as it is: no pod may ever come to it.
func fold(e *expr, parts ...*expr) *expr {
	for _, p := range parts {
		if !p.constant {
			return e
		}
	}
	var v reflect.Value
	if !attempt(func() { v = e.eval(nil) }) {
		return e
	}
	return known(v)
}

// attempt tells whether something can be done without giving up.
func attempt(do func()) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	do()
	return true
}

// dug looks into an interface, as text/template does after each command of a
// pipeline.
func dug(e *expr) *expr {
	if e.typ != nil {
		return e
	}
	eval := e.eval
	return fold(dynamic(func(f *frame) reflect.Value {
		v := eval(f)
		if v.Kind() == reflect.Interface && v.Type().NumMethod() == 0 {
			v = v.Elem()
		}
		return v
	}), e)
}

// truth is how if, with, and, or and not take the value.
func (e *expr) truth() func(*frame) bool {
	switch {
	case e.test != nil:
		return e.test
	case e.text != nil:
		text := e.text
		return func(f *frame) bool { return text(f) != "" }
	}
	eval := e.eval
	return func(f *frame) bool { return truthOf(eval(f)) }
}

// constantTruth is truth where it is known.
func (e *expr) constantTruth() (truth, ok bool) {
	ok = e.constant && attempt(func() { truth = truthOf(e.value) })
	return truth, ok
}

// pipe is a pipeline without what it declares.
func (r *reducer) pipe(p *parse.PipeNode, at *place) *expr {
	if p == nil {
		return known(reflect.Value{})
	}
	var final *expr
	for _, cmd := range p.Cmds {
		final = dug(r.command(cmd, final, at))
	}
	return final
}

func (r *reducer) command(cmd *parse.CommandNode, final *expr, at *place) *expr {
	switch first := cmd.Args[0].(type) {
	case *parse.FieldNode:
		return r.chain(at.dot, first.Ident, cmd.Args[1:], final, at)
	case *parse.ChainNode:
		return r.chain(r.operand(first.Node, at), first.Field, cmd.Args[1:], final, at)
	case *parse.IdentifierNode:
		return r.call(first.Ident, cmd.Args[1:], final, at)
	case *parse.VariableNode:
		return r.chain(r.variable(first.Ident[0], at), first.Ident[1:], cmd.Args[1:], final, at)
	}
	if len(cmd.Args) > 1 || final != nil {
		return failing()
	}
	return r.operand(cmd.Args[0], at)
}

// operand is the value of a node that stands alone, where no type is asked for.
func (r *reducer) operand(n parse.Node, at *place) *expr {
	switch n := n.(type) {
	case *parse.BoolNode:
		return known(reflect.ValueOf(n.True))
	case *parse.StringNode:
		return known(reflect.ValueOf(n.Text))
	case *parse.NumberNode:
		return number(n)
	case *parse.DotNode:
		return at.dot
	case *parse.FieldNode:
		return r.chain(at.dot, n.Ident, nil, nil, at)
	case *parse.VariableNode:
		return r.chain(r.variable(n.Ident[0], at), n.Ident[1:], nil, nil, at)
	case *parse.ChainNode:
		return r.chain(r.operand(n.Node, at), n.Field, nil, nil, at)
	case *parse.PipeNode:
		if len(n.Decl) > 0 {
			r.unable() // declares in the middle of an expression
		}
		return r.pipe(n, at)
	}
	// nil stands for nothing here, and the value of a function's bare name keeps
	// its interface.
	r.unable()
	return nil
}

// number is a number where its spelling tells the type. Only digits with at most
// one point do here; other spellings are rare.
func number(n *parse.NumberNode) *expr {
	digits, fraction, point := strings.Cut(strings.TrimPrefix(n.Text, "-"), ".")
	switch {
	case strings.Trim(digits+fraction, "0123456789") != "":
	case point && n.IsFloat:
		return known(reflect.ValueOf(n.Float64))
	case !point && n.IsInt && int64(int(n.Int64)) == n.Int64:
		return known(reflect.ValueOf(int(n.Int64)))
	}
	return failing()
}

func (r *reducer) variable(name string, at *place) *expr {
	for v := at.vars; v != nil; v = v.up {
		if v.name == name {
			return v.value
		}
	}
	r.unable()
	return nil
}
