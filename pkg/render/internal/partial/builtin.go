package partial

import (
	"cmp"
	"reflect"
	"text/template/parse"
)

// builtin is a function of text/template itself. They take values of any type as
// they are.
func (c *compiler) builtin(name string, nodes []parse.Node, final *expr, s *scope) *expr {
	args := make([]*expr, 0, len(nodes)+1)
	for _, n := range nodes {
		switch n := n.(type) {
		case *parse.IdentifierNode:
			args = append(args, c.function(n.Ident, nil, nil, s))
		default:
			args = append(args, c.operand(n, s))
		}
	}
	if final != nil {
		args = append(args, final)
	}
	switch {
	case (name == "and" || name == "or") && final == nil && len(args) > 0:
		// A value from the pipeline would have been evaluated before the others.
		return c.decisive(args, name == "or")
	case name == "not" && len(args) == 1:
		truth := args[0].truth()
		return c.fold(boolean(func(f *frame) bool { return !truth(f) }), args...)
	case name == "eq" && len(args) >= 2:
		return c.fold(equality(args), args...)
	case name == "ne" && len(args) == 2:
		equal := equality(args).test
		return c.fold(boolean(func(f *frame) bool { return !equal(f) }), args...)
	case name == "len" && len(args) == 1:
		return c.fold(length(args[0]), args...)
	case name == "index" && len(args) >= 2:
		return c.fold(indexed(args), args...)
	case len(args) == 2:
		if accepts := order(name); accepts != nil {
			a, b := args[0].eval, args[1].eval
			return c.fold(boolean(func(f *frame) bool { return accepts(compare(a(f), b(f))) }), args...)
		}
	}
	c.unsupported()
	return nil
}

// decisive is and, or: the first argument whose truth is the deciding one, else
// the last. What comes after it is not evaluated.
func (c *compiler) decisive(args []*expr, deciding bool) *expr {
	var left []*expr
	for i, a := range args {
		truth, ok := c.constantTruth(a)
		switch {
		case i == len(args)-1:
			left = append(left, a)
		case !ok:
			left = append(left, a)
		case truth == deciding:
			return decided(append(left, a), deciding)
		}
	}
	return decided(left, deciding)
}

func decided(args []*expr, deciding bool) *expr {
	if len(args) == 1 {
		return args[0]
	}
	last := len(args) - 1
	truths := make([]func(*frame) bool, last)
	tests := true
	for i, a := range args {
		tests = tests && a.test != nil && a.typ == boolType
		if i < last {
			truths[i] = a.truth()
		}
	}
	if tests {
		test := args[last].test
		return boolean(func(f *frame) bool {
			for _, t := range truths {
				if t(f) == deciding {
					return deciding
				}
			}
			return test(f)
		})
	}
	return dynamic(func(f *frame) reflect.Value {
		for _, a := range args[:last] {
			if v := a.eval(f); truthOf(v) == deciding {
				return v
			}
		}
		return args[last].eval(f)
	})
}

// equality reports whether the first argument equals one of the others.
func equality(args []*expr) *expr {
	if len(args) == 2 && args[0].text != nil && args[1].text != nil {
		a, b := args[0].text, args[1].text
		return boolean(func(f *frame) bool { return a(f) == b(f) })
	}
	return boolean(func(f *frame) bool {
		values := make([]reflect.Value, len(args))
		for i, a := range args {
			values[i] = indirectInterface(a.eval(f))
		}
		for _, v := range values[1:] {
			if equalBasic(values[0], v) {
				return true
			}
		}
		return false
	})
}

// equalBasic compares what is of one basic kind. A value that is not there equals
// none of those.
func equalBasic(a, b reflect.Value) bool {
	switch {
	case a.Kind() == reflect.String && b.Kind() == reflect.String:
		return a.String() == b.String()
	case a.Kind() == reflect.Bool && b.Kind() == reflect.Bool:
		return a.Bool() == b.Bool()
	case a.CanInt() && b.CanInt():
		return a.Int() == b.Int()
	case a.CanFloat() && b.CanFloat():
		return a.Float() == b.Float()
	case !a.IsValid() && basic(b), !b.IsValid() && basic(a):
		return false
	}
	fallBack()
	return false
}

func basic(v reflect.Value) bool {
	return v.Kind() == reflect.String || v.Kind() == reflect.Bool || v.CanInt() || v.CanFloat()
}

// order is what a comparison must give for one of the ordering functions.
func order(name string) func(int) bool {
	switch name {
	case "lt":
		return func(c int) bool { return c < 0 }
	case "le":
		return func(c int) bool { return c <= 0 }
	case "gt":
		return func(c int) bool { return c > 0 }
	case "ge":
		return func(c int) bool { return c >= 0 }
	}
	return nil
}

func compare(a, b reflect.Value) int {
	a, b = indirectInterface(a), indirectInterface(b)
	switch {
	case a.CanInt() && b.CanInt():
		return cmp.Compare(a.Int(), b.Int())
	case a.Kind() == reflect.String && b.Kind() == reflect.String:
		return cmp.Compare(a.String(), b.String())
	}
	fallBack()
	return 0
}

func length(e *expr) *expr {
	eval := e.eval
	return typed(reflect.TypeFor[int](), func(f *frame) reflect.Value {
		v, _ := indirect(eval(f))
		switch v.Kind() {
		case reflect.Map, reflect.Slice, reflect.String:
			return reflect.ValueOf(v.Len())
		}
		fallBack()
		return v
	})
}

// indexed is the first argument indexed by the others.
func indexed(args []*expr) *expr {
	if len(args) == 2 && args[0].typ == stringsType && args[1].typ == stringType {
		m, key := asStrings(args[0]), args[1].text
		return textual(func(f *frame) string { return m(f)[key(f)] })
	}
	return dynamic(func(f *frame) reflect.Value {
		item := args[0].eval(f)
		if !indirectInterface(item).IsValid() {
			fallBack()
		}
		for _, i := range args[1:] {
			item = itemOf(item, indirectInterface(i.eval(f)))
		}
		return item
	})
}

func itemOf(v, i reflect.Value) reflect.Value {
	v, isNil := indirect(v)
	switch {
	case isNil || !i.IsValid():
	case v.Kind() == reflect.Slice && i.CanInt() && i.Int() >= 0 && i.Int() < int64(v.Len()):
		return v.Index(int(i.Int()))
	case v.Kind() == reflect.Map && v.Type().Key().Kind() == reflect.String && i.Type().AssignableTo(v.Type().Key()):
		if x := v.MapIndex(i); x.IsValid() {
			return x
		}
		return reflect.Zero(v.Type().Elem())
	}
	fallBack()
	return v
}
