package render

import (
	"reflect"
	"slices"
	"text/template/parse"
	"time"
)

// reduce evaluates the template in part, for data whose named fields are the
// same for every pod. It returns nil for a template that has something that only
// text/template does, or that would become too large.
func (t *Template) reduce(funcs map[string]any, data reflect.Type, fields []constant) *program {
	if t.mutates {
		// It changes what other requests read: see Mutates.
		return nil
	}
	r := &reducer{
		t: t, funcs: funcs, constants: map[string]reflect.Value{},
		nodes: maxNodes, room: maxConstants, end: t.limits.Now().Add(t.limits.Time),
	}
	for _, c := range fields {
		r.constants[c.name] = c.value
	}
	r.root = typed(reflect.PointerTo(data), func(f *frame) reflect.Value { return f.data.Addr() })
	var b builder
	if !attempt(func() { r.template(t.parsed.Name(), r.root, &b) }) {
		return nil
	}
	return &program{steps: b.block(), slots: r.slots, data: data, known: fields}
}

type reducer struct {
	t         *Template
	funcs     map[string]any
	constants map[string]reflect.Value
	root      *expr
	slots     int
	// nodes and room are how many nodes, and how many bytes of constants, there may
	// still be, and end is until when that may take.
	nodes, room int
	end         time.Time
	// calling are the templates that are being called, within each other.
	calling []string
}

// unable ends the reduction: the template is text/template's.
func (r *reducer) unable() { giveUp() }

// place is where a node stands.
type place struct {
	dot  *expr
	vars *variable
	// reassigned are the names that the template assigns to after their
	// declaration.
	reassigned map[string]bool
}

// variable is one that a place can see, with those declared before it.
type variable struct {
	up    *variable
	name  string
	value *expr
	slot  int
}

func (p *place) inner() *place {
	q := *p
	return &q
}

// Loops over constants and calls multiply a template, and functions make large
// constants of small ones. These bounds leave room for ten times what templates in
// the field need; one that needs more is text/template's. Nor may the reduction
// take longer than an execution.
const (
	maxNodes     = 20_000
	maxConstants = 4 << 20 // bytes, the text between the nodes included
)

// take notes that so many bytes of constants have been made.
func (r *reducer) take(bytes int) {
	if r.room -= bytes; r.room < 0 {
		r.unable()
	}
}

// template adds what a template does with a dot. Calls are built into their
// caller; a template that calls itself has no end here.
func (r *reducer) template(name string, dot *expr, b *builder) {
	called := r.t.parsed.Lookup(name)
	if called == nil || called.Tree == nil || slices.Contains(r.calling, name) || len(r.calling) >= r.t.limits.Depth {
		r.unable()
	}
	r.calling = append(r.calling, name)
	at := &place{dot: dot, reassigned: map[string]bool{}}
	reassigned(called.Root, at.reassigned)
	if at.reassigned["$"] {
		r.unable()
	}
	at.vars = &variable{name: "$", value: dot}
	r.list(called.Root, at, b)
	r.calling = r.calling[:len(r.calling)-1]
}

func (r *reducer) list(l *parse.ListNode, at *place, b *builder) {
	if l == nil {
		return
	}
	for _, n := range l.Nodes {
		r.node(n, at, b)
	}
}

func (r *reducer) block(l *parse.ListNode, at *place) block {
	var b builder
	r.list(l, at, &b)
	return b.block()
}

func (r *reducer) node(n parse.Node, at *place, b *builder) {
	if r.nodes--; r.nodes < 0 || r.nodes%clockEvery == 0 && r.t.limits.Now().After(r.end) {
		r.unable()
	}
	switch n := n.(type) {
	case *parse.TextNode:
		if m, ok := r.t.markers.find(n.Text); !ok {
			r.put(string(n.Text), b)
		} else if m.kind != leave {
			b.count++
		}
	case *parse.CommentNode:
	case *parse.ActionNode:
		r.action(n.Pipe, at, b)
	case *parse.IfNode:
		r.branch(&n.BranchNode, at, b, false)
	case *parse.WithNode:
		r.branch(&n.BranchNode, at, b, true)
	case *parse.RangeNode:
		r.loop(n, at, b)
	case *parse.TemplateNode:
		dot := r.pipe(n.Pipe, at)
		if n.Pipe != nil {
			r.declare(n.Pipe, dot, at, b)
		}
		r.template(n.Name, r.keep(dot, b), b)
	case *parse.BreakNode:
		b.add(func(*frame) signal { return broken })
	case *parse.ContinueNode:
		b.add(func(*frame) signal { return continued })
	default:
		r.unable()
	}
}

func (r *reducer) action(p *parse.PipeNode, at *place, b *builder) {
	e := r.pipe(p, at)
	if len(p.Decl) > 0 {
		r.declare(p, e, at, b)
		return
	}
	if text, ok := constantText(e); ok {
		r.put(text, b)
		return
	}
	b.add(show(e))
}

// put adds text that is the same for every pod.
func (r *reducer) put(text string, b *builder) {
	r.take(len(text))
	b.text = append(b.text, text...)
}

func constantText(e *expr) (text string, ok bool) {
	ok = e.constant && attempt(func() { text = printed(e.value) })
	return text, ok
}

// declare gives the value of a pipeline to the variables that it names.
func (r *reducer) declare(p *parse.PipeNode, e *expr, at *place, b *builder) {
	for _, v := range p.Decl {
		if p.IsAssign {
			slot := r.slotOf(v.Ident[0], at)
			eval := e.eval
			b.add(func(f *frame) signal { f.slots[slot] = eval(f); return done })
			continue
		}
		r.define(v.Ident[0], e, at, b)
	}
}

// define makes a variable. One that never changes is just another name for its
// value, which is evaluated here all the same, once.
func (r *reducer) define(name string, e *expr, at *place, b *builder) {
	v := &variable{up: at.vars, name: name, slot: -1}
	if at.reassigned[name] {
		slot, eval := r.slot(), e.eval
		b.add(func(f *frame) signal { f.slots[slot] = eval(f); return done })
		v.slot, v.value = slot, r.read(slot, nil)
	} else {
		v.value = r.keep(e, b)
	}
	at.vars = v
}

func (r *reducer) slotOf(name string, at *place) int {
	for v := at.vars; v != nil; v = v.up {
		if v.name == name {
			if v.slot < 0 {
				r.unable()
			}
			return v.slot
		}
	}
	r.unable()
	return 0
}

func (r *reducer) slot() int {
	r.slots++
	return r.slots - 1
}

// read is the value in a slot.
func (r *reducer) read(slot int, typ reflect.Type) *expr {
	get := func(f *frame) reflect.Value { return f.slots[slot] }
	if typ == nil {
		return dynamic(get)
	}
	return typed(typ, get)
}

// kept is the value in a slot that nothing assigns to.
func (r *reducer) kept(slot int, typ reflect.Type) *expr {
	e := r.read(slot, typ)
	e.kept = true
	return e
}

// keep evaluates at once, and once, what is used later or more than once.
func (r *reducer) keep(e *expr, b *builder) *expr {
	if e.constant || e.kept || e == r.root {
		return e
	}
	slot, eval := r.slot(), e.eval
	b.add(func(f *frame) signal { f.slots[slot] = eval(f); return done })
	return r.kept(slot, e.typ)
}

// branch is if and with, whose value is the dot inside.
func (r *reducer) branch(n *parse.BranchNode, at *place, b *builder, with bool) {
	at = at.inner() // what the pipeline declares is seen in both lists
	e := r.pipe(n.Pipe, at)
	if with || len(n.Pipe.Decl) > 0 {
		e = r.keep(e, b)
	}
	r.declare(n.Pipe, e, at, b)
	inside := at.inner()
	if with {
		inside.dot = e
	}
	if truth, ok := e.constantTruth(); ok {
		if truth {
			r.list(n.List, inside, b)
		} else {
			r.list(n.ElseList, at.inner(), b)
		}
		return
	}
	truth, yes, no := e.truth(), r.block(n.List, inside), r.block(n.ElseList, at.inner())
	b.add(func(f *frame) signal {
		if truth(f) {
			return yes.run(f)
		}
		return no.run(f)
	})
}

// reassigned collects the variables that are assigned to.
func reassigned(n parse.Node, names map[string]bool) {
	pipe := func(p *parse.PipeNode) {
		if p != nil && p.IsAssign {
			for _, v := range p.Decl {
				names[v.Ident[0]] = true
			}
		}
	}
	branch := func(b *parse.BranchNode) {
		pipe(b.Pipe)
		reassigned(b.List, names)
		if b.ElseList != nil {
			reassigned(b.ElseList, names)
		}
	}
	switch n := n.(type) {
	case *parse.ListNode:
		for _, c := range n.Nodes {
			reassigned(c, names)
		}
	case *parse.ActionNode:
		pipe(n.Pipe)
	case *parse.TemplateNode:
		pipe(n.Pipe)
	case *parse.IfNode:
		branch(&n.BranchNode)
	case *parse.WithNode:
		branch(&n.BranchNode)
	case *parse.RangeNode:
		branch(&n.BranchNode)
	}
}
