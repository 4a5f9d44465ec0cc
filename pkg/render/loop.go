package render

import (
	"cmp"
	"reflect"
	"slices"
	"text/template/parse"
)

// maxUnrolled is how long a constant list may be to be written out item by item.
const maxUnrolled = 64

// loop is range.
func (r *reducer) loop(n *parse.RangeNode, at *place, b *builder) {
	e := r.pipe(n.Pipe, at)
	if n.Pipe.IsAssign || len(n.Pipe.Decl) > 2 {
		r.unable()
	}
	if e.constant && !leaves(n.List) && r.unroll(n, e, at, b) {
		return
	}
	key, elem := r.slot(), r.slot()
	inside := at.inner()
	inside.dot = r.kept(elem, elemType(e.typ))
	var first builder
	switch d := n.Pipe.Decl; len(d) {
	case 1:
		r.define(d[0].Ident[0], inside.dot, inside, &first)
	case 2:
		r.define(d[0].Ident[0], r.kept(key, keyType(e.typ)), inside, &first)
		r.define(d[1].Ident[0], inside.dot, inside, &first)
	}
	r.list(n.List, inside, &first)
	body, none, eval := first.block(), r.block(n.ElseList, at.inner()), e.eval
	b.add(func(f *frame) signal {
		ran := each(eval(f), func(k, v reflect.Value) bool {
			f.slots[key], f.slots[elem] = k, v
			return body.run(f) != broken
		})
		if !ran {
			return none.run(f)
		}
		return done
	})
}

// unroll writes out a loop over what is the same for every pod. It returns false
// where that would be long.
func (r *reducer) unroll(n *parse.RangeNode, e *expr, at *place, b *builder) bool {
	var keys, values []reflect.Value
	ok := attempt(func() {
		each(e.value, func(key, value reflect.Value) bool {
			keys, values = append(keys, key), append(values, value)
			return len(values) <= maxUnrolled
		})
	})
	if !ok || len(values) > maxUnrolled {
		return false
	}
	if len(values) == 0 {
		r.list(n.ElseList, at.inner(), b)
	}
	for i := range values {
		inside := at.inner()
		inside.dot = known(values[i])
		switch d := n.Pipe.Decl; len(d) {
		case 1:
			r.define(d[0].Ident[0], inside.dot, inside, b)
		case 2:
			r.define(d[0].Ident[0], known(keys[i]), inside, b)
			r.define(d[1].Ident[0], inside.dot, inside, b)
		}
		r.list(n.List, inside, b)
	}
	return true
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
			giveUp()
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
	giveUp()
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

// leaves tells whether a loop's body ends the loop or a round early.
func leaves(n parse.Node) bool {
	either := func(b *parse.BranchNode) bool {
		return leaves(b.List) || b.ElseList != nil && leaves(b.ElseList)
	}
	switch n := n.(type) {
	case *parse.ListNode:
		return slices.ContainsFunc(n.Nodes, leaves)
	case *parse.BreakNode, *parse.ContinueNode:
		return true
	case *parse.IfNode:
		return either(&n.BranchNode)
	case *parse.WithNode:
		return either(&n.BranchNode)
	case *parse.RangeNode:
		// Those of an inner loop are its own, those in its else are not.
		return n.ElseList != nil && leaves(n.ElseList)
	}
	return false
}
