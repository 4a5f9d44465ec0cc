package partial

import (
	"cmp"
	"reflect"
	"slices"
	"text/template/parse"
)

// action is a pipeline that stands alone: it declares variables, or is printed.
func (c *compiler) action(p *parse.PipeNode, s *scope, b *builder) {
	e := c.pipe(p, s)
	if len(p.Decl) > 0 {
		c.declare(p, e, s, b)
		return
	}
	if e.constant {
		var text string
		if attempt(c.Defect, func() { text = printed(e.value) }) {
			c.constantText(text, b)
			return
		}
	}
	b.add(write(e))
}

// write is the step that prints a value.
func write(e *expr) step {
	if e.text != nil && !printsItself(reflect.PointerTo(e.typ)) {
		text := e.text
		return func(f *frame) { f.write(text(f)) }
	}
	eval := e.eval
	return func(f *frame) { f.write(printed(eval(f))) }
}

// call is the call of another template.
func (c *compiler) call(n *parse.TemplateNode, s *scope, b *builder) {
	dot := c.pipe(n.Pipe, s)
	if n.Pipe != nil {
		dot = c.evaluateOnce(dot, b)
		c.declare(n.Pipe, dot, s, b)
	}
	c.template(n.Name, dot, b)
}

// branch is if and with, whose value is the dot inside.
func (c *compiler) branch(n *parse.BranchNode, s *scope, b *builder, with bool) {
	s = s.inner() // what the pipeline declares is seen in both lists
	e := c.pipe(n.Pipe, s)
	if with || len(n.Pipe.Decl) > 0 {
		e = c.evaluateOnce(e, b)
	}
	c.declare(n.Pipe, e, s, b)
	inside := s.inner()
	if with {
		inside.dot = e
	}
	if truth, ok := c.constantTruth(e); ok {
		if truth {
			c.list(n.List, inside, b)
		} else {
			c.list(n.ElseList, s.inner(), b)
		}
		return
	}
	truth, yes, no := e.truth(), c.block(n.List, inside), c.block(n.ElseList, s.inner())
	b.add(func(f *frame) {
		if truth(f) {
			yes.run(f)
		} else {
			no.run(f)
		}
	})
}

// loop is range.
func (c *compiler) loop(n *parse.RangeNode, s *scope, b *builder) {
	if n.Pipe.IsAssign {
		c.unsupported()
	}
	e := c.pipe(n.Pipe, s)
	// In the else, the variables are what is ranged over, which nobody uses.
	otherwise := s.inner()
	otherwise.hide(n.Pipe.Decl)
	if e.constant && c.unroll(n, e, s, otherwise, b) {
		return
	}
	key, elem := c.slot(), c.slot()
	var body builder
	c.round(n, loaded(key, keyType(e.typ)), loaded(elem, elemType(e.typ)), s, &body)
	steps, none, eval := body.block(), c.block(n.ElseList, otherwise), e.eval
	b.add(func(f *frame) {
		ran := each(eval(f), func(k, v reflect.Value) bool {
			f.slots[key], f.slots[elem] = k, v
			steps.run(f)
			return true
		})
		if !ran {
			none.run(f)
		}
	})
}

// unroll writes out a loop over what is the same for every pod. It returns false
// where that would be long.
func (c *compiler) unroll(n *parse.RangeNode, e *expr, s, otherwise *scope, b *builder) bool {
	var keys, values []reflect.Value
	ok := attempt(c.Defect, func() {
		each(e.value, func(key, value reflect.Value) bool {
			keys, values = append(keys, key), append(values, value)
			return len(values) <= maxUnrolled
		})
	})
	if !ok || len(values) > maxUnrolled {
		return false
	}
	if len(values) == 0 {
		c.list(n.ElseList, otherwise, b)
	}
	for i := range values {
		c.round(n, known(keys[i]), known(values[i]), s, b)
	}
	return true
}

// round is one round of a loop.
func (c *compiler) round(n *parse.RangeNode, key, elem *expr, s *scope, b *builder) {
	s = s.inner()
	s.dot = elem
	switch vars := n.Pipe.Decl; len(vars) {
	case 1:
		c.define(vars[0].Ident[0], elem, s, b)
	case 2:
		c.define(vars[0].Ident[0], key, s, b)
		c.define(vars[1].Ident[0], elem, s, b)
	}
	c.list(n.List, s, b)
}

// each goes through a list or map in order, until do returns false. It reports
// whether there was anything.
func each(v reflect.Value, do func(key, value reflect.Value) bool) bool {
	v, _ = indirect(v)
	switch v.Kind() {
	case reflect.Invalid:
		return false
	case reflect.Slice:
		for i := range v.Len() {
			if !do(reflect.ValueOf(i), v.Index(i)) {
				break
			}
		}
		return v.Len() > 0
	case reflect.Map:
		if v.Type().Key().Kind() != reflect.String {
			fallBack()
		}
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return cmp.Compare(a.String(), b.String()) })
		for _, k := range keys {
			if !do(k, v.MapIndex(k)) {
				break
			}
		}
		return len(keys) > 0
	}
	fallBack()
	return false
}

func elemType(t reflect.Type) reflect.Type {
	if t == nil || t.Kind() != reflect.Slice && t.Kind() != reflect.Map || t.Elem().Kind() == reflect.Interface {
		return nil
	}
	return t.Elem()
}

func keyType(t reflect.Type) reflect.Type {
	switch {
	case t == nil:
		return nil
	case t.Kind() == reflect.Slice:
		return reflect.TypeFor[int]()
	case t.Kind() == reflect.Map && t.Key().Kind() == reflect.String:
		return t.Key()
	}
	return nil
}
