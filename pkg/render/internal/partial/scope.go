package partial

import (
	"reflect"
	"text/template/parse"
)

// scope is what a node can see: the dot and variables.
type scope struct {
	dot  *expr
	vars *variable
	// assigned are the names that the template assigns to after their declaration,
	// anywhere.
	assigned map[string]bool
}

// variable is the innermost variable of a scope; up is the one declared before.
type variable struct {
	up   *variable
	name string
	// value is nil where the variable has no value that programs know.
	value *expr
	// slot is where a variable that is assigned to is kept, else -1.
	slot int
}

// inner returns a scope for nodes whose declarations end with them.
func (s *scope) inner() *scope {
	inside := *s
	return &inside
}

// variable finds a variable. One that is only assigned to need not be declared: the
// parser accepts that, and text/template fails.
func (c *compiler) variable(name string, s *scope) *variable {
	v := s.vars
	for v != nil && v.name != name {
		v = v.up
	}
	if v == nil || v.value == nil {
		c.unsupported()
	}
	return v
}

// declare declares the variables of a pipeline, or assigns to them.
func (c *compiler) declare(p *parse.PipeNode, e *expr, s *scope, b *builder) {
	for _, v := range p.Decl {
		if p.IsAssign {
			b.add(store(c.variable(v.Ident[0], s).slot, e))
		} else {
			c.define(v.Ident[0], e, s, b)
		}
	}
}

// define declares a variable. One that is never assigned to is another name for its
// value, which is evaluated here all the same, once.
func (c *compiler) define(name string, e *expr, s *scope, b *builder) {
	v := &variable{up: s.vars, name: name, slot: -1}
	if s.assigned[name] {
		v.slot = c.slot()
		v.value = dynamic(load(v.slot))
		b.add(store(v.slot, e))
	} else {
		v.value = c.evaluateOnce(e, b)
	}
	s.vars = v
}

// hide declares variables that no expression may use.
func (s *scope) hide(names []*parse.VariableNode) {
	for _, n := range names {
		s.vars = &variable{up: s.vars, name: n.Ident[0], slot: -1}
	}
}

// slot returns the index of a new slot.
func (c *compiler) slot() int {
	c.slots++
	return c.slots - 1
}

func load(slot int) func(*frame) reflect.Value {
	return func(f *frame) reflect.Value { return f.slots[slot] }
}

func store(slot int, e *expr) step {
	eval := e.eval
	return func(f *frame) { f.slots[slot] = eval(f) }
}

// loaded is the value in a slot that no other step changes while it can be seen. A
// type of nil means that it is not known.
func loaded(slot int, typ reflect.Type) *expr {
	e := dynamic(load(slot))
	if typ != nil {
		e = typed(typ, load(slot))
	}
	e.stable = true
	return e
}

// evaluateOnce adds a step that evaluates what is used later, or more than once.
func (c *compiler) evaluateOnce(e *expr, b *builder) *expr {
	if e.constant || e.stable {
		return e
	}
	slot := c.slot()
	b.add(store(slot, e))
	return loaded(slot, e.typ)
}

// collectAssigned collects the names of variables that a node assigns to.
func collectAssigned(n parse.Node, names map[string]bool) {
	pipe := func(p *parse.PipeNode) {
		if p != nil && p.IsAssign {
			for _, v := range p.Decl {
				names[v.Ident[0]] = true
			}
		}
	}
	branch := func(b *parse.BranchNode) {
		pipe(b.Pipe)
		collectAssigned(b.List, names)
		if b.ElseList != nil {
			collectAssigned(b.ElseList, names)
		}
	}
	switch n := n.(type) {
	case *parse.ListNode:
		for _, child := range n.Nodes {
			collectAssigned(child, names)
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
