package partial

import "reflect"

// expr is an expression.
type expr struct {
	// typ is the type of its value; nil when only the run tells, or when there may
	// be no value at all.
	typ reflect.Type
	// constant says that it has one value, which is known, for every pod.
	constant bool
	value    reflect.Value
	// stable says that eval costs nothing and gives the same wherever it is used.
	stable bool
	// eval is always there.
	eval func(*frame) reflect.Value
	// text and test give the value without a reflect.Value around it: text when its
	// kind is string, test when it is bool. They may be nil.
	text func(*frame) string
	test func(*frame) bool
}

// known is an expression of a constant value.
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

// dynamic is an expression whose type only the run tells.
func dynamic(eval func(*frame) reflect.Value) *expr { return &expr{eval: eval} }

// typed is an expression whose values are of the type. Where that is an interface,
// they may be of any type.
func typed(typ reflect.Type, eval func(*frame) reflect.Value) *expr {
	e := dynamic(eval)
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

// foldsPerLook is after how many constant expressions the clock is looked at.
const foldsPerLook = 4

// fold evaluates an expression now when all parts that it is made of are constant.
// One that falls back stays as it is, because no pod may ever come to it.
func (c *compiler) fold(e *expr, parts ...*expr) *expr {
	for _, p := range parts {
		if !p.constant {
			return e
		}
	}
	// A function may take long for large arguments, and an action calls many.
	if c.folds++; c.folds%foldsPerLook == 0 && c.Late() {
		c.unsupported()
	}
	var v reflect.Value
	if !attempt(c.Defect, func() { v = e.eval(nil) }) {
		return e
	}
	return known(v)
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
func (c *compiler) constantTruth(e *expr) (truth, ok bool) {
	ok = e.constant && attempt(c.Defect, func() { truth = truthOf(e.value) })
	return truth, ok
}
