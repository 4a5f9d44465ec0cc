package partial

import (
	"reflect"
	"slices"
	"text/template"
	"text/template/parse"
)

// Options say what a template is compiled for.
type Options struct {
	// Funcs are the functions that the template was parsed with. They must be
	// pure, and must not change their arguments.
	Funcs template.FuncMap
	// Data is a pointer to a struct, of the type that the template is shown.
	// Constants are names of fields of the struct, whose values must never change.
	Data      any
	Constants []string
	// Marker reports whether the text of a text node is a marker, which is not
	// written, and how many steps are counted where it stands.
	Marker func(text []byte) (steps int, ok bool)
	// Depth is how deep calls of templates may be.
	Depth int
	// Late reports whether compiling has taken too long.
	Late func() bool
	// Defect is told of panics in the compiler, and in programs. Several
	// goroutines may call it at once.
	Defect func(error)
}

// Loops over constants and calls multiply a template, and functions make large
// constants of small ones. These bounds leave room for ten times what templates in
// the field need; one that needs more is left to text/template.
const (
	maxNodes     = 20_000
	maxConstants = 4 << 20 // bytes, the text between the nodes included
	// maxUnrolled is how long a constant list may be to be written out item by item.
	maxUnrolled = 64
	// nodeSize is what a node takes in a program, in bytes, about.
	nodeSize = 256
	// lateEvery is after how many nodes the clock is looked at.
	lateEvery = 32
)

// Compile evaluates a template in part, for data whose constants have the values
// that they have in o.Data. It returns nil for a template that is left to
// text/template, see the package's description.
func Compile(t *template.Template, o Options) *Program {
	// A copy, so that nobody can change the fields any more.
	data := reflect.New(reflect.TypeOf(o.Data).Elem()).Elem()
	data.Set(reflect.ValueOf(o.Data).Elem())
	p := &Program{data: data.Type(), defect: o.Defect}
	c := &compiler{Options: o, templates: t, constants: map[string]reflect.Value{}, nodes: maxNodes, room: maxConstants}
	for _, name := range o.Constants {
		field, _ := p.data.FieldByName(name)
		c.constants[name] = data.FieldByIndex(field.Index)
		p.constants = append(p.constants, constant{field.Index[0], c.constants[name]})
	}
	c.root = typed(reflect.PointerTo(p.data), func(f *frame) reflect.Value { return f.data.Addr() })
	c.root.stable = true
	var b builder
	if !attempt(o.Defect, func() { c.template(t.Name(), c.root, &b) }) {
		return nil
	}
	p.steps = b.block()
	p.size = maxConstants - c.room + nodeSize*(maxNodes-c.nodes)
	p.frames.New = func() any { return &frame{slots: make([]reflect.Value, c.slots)} }
	return p
}

// compiler evaluates one template, and those that it calls.
type compiler struct {
	Options
	templates *template.Template
	constants map[string]reflect.Value
	// root is the data as an expression.
	root *expr
	// slots is the number of slots that the program needs.
	slots int
	// nodes and room are how many nodes, and bytes of constants, may still come.
	nodes, room int
	// folds is how many constant expressions were evaluated.
	folds int
	// calling are the templates that are being called, within each other.
	calling []string
}

// unsupported ends the compilation: the template is left to text/template.
func (c *compiler) unsupported() { fallBack() }

// take subtracts bytes of constants from what may still come.
func (c *compiler) take(bytes int) {
	if c.room -= bytes; c.room < 0 {
		c.unsupported()
	}
}

// template adds what a template does with a dot. Calls are built into their
// caller, so a template that calls itself is not supported.
func (c *compiler) template(name string, dot *expr, b *builder) {
	called := c.templates.Lookup(name)
	if called == nil || called.Tree == nil || slices.Contains(c.calling, name) || len(c.calling) >= c.Depth {
		c.unsupported()
	}
	c.calling = append(c.calling, name)
	s := &scope{dot: dot, assigned: map[string]bool{}}
	collectAssigned(called.Root, s.assigned)
	if s.assigned["$"] {
		c.unsupported()
	}
	s.vars = &variable{name: "$", value: dot}
	c.list(called.Root, s, b)
	c.calling = c.calling[:len(c.calling)-1]
}

func (c *compiler) list(l *parse.ListNode, s *scope, b *builder) {
	if l == nil {
		return
	}
	for _, n := range l.Nodes {
		c.node(n, s, b)
	}
}

// block is a list of nodes with a builder of its own.
func (c *compiler) block(l *parse.ListNode, s *scope) block {
	var b builder
	c.list(l, s, &b)
	return b.block()
}

func (c *compiler) node(n parse.Node, s *scope, b *builder) {
	if c.nodes--; c.nodes < 0 || c.nodes%lateEvery == 0 && c.Late() {
		c.unsupported()
	}
	switch n := n.(type) {
	case *parse.TextNode:
		if steps, ok := c.Marker(n.Text); ok {
			b.count += steps
		} else {
			c.constantText(string(n.Text), b)
		}
	case *parse.ActionNode:
		c.action(n.Pipe, s, b)
	case *parse.IfNode:
		c.branch(&n.BranchNode, s, b, false)
	case *parse.WithNode:
		c.branch(&n.BranchNode, s, b, true)
	case *parse.RangeNode:
		c.loop(n, s, b)
	case *parse.TemplateNode:
		c.call(n, s, b)
	default: // break and continue among others
		c.unsupported()
	}
}

// constantText adds text that is the same for every pod.
func (c *compiler) constantText(text string, b *builder) {
	c.take(len(text))
	b.text = append(b.text, text...)
}
