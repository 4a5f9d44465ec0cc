package render

import (
	"fmt"
	"strings"
	"text/template/parse"
	"unicode"
	"unicode/utf8"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render/internal/functions"
)

// prepare plants the markers that let the writer count, finds out whether the
// template changes its data, and refuses methods that reach outside of it.
func (t *Template) prepare() error {
	p := &preparation{t: t}
	for _, tmpl := range t.parsed.Templates() {
		if tmpl.Tree == nil || tmpl.Tree.Root == nil {
			continue
		}
		if p.defined = tmpl.Name(); p.defined == t.name {
			p.defined = ""
		}
		p.list(tmpl.Tree.Root)
		p.plant(tmpl.Tree.Root, enter, true)
		p.plant(tmpl.Tree.Root, leave, false)
	}
	return p.err
}

type preparation struct {
	t       *Template
	defined string // the template within the template that is looked at, if it is one
	err     error
	// calls is how many functions, fields and values the current action calls.
	calls int
}

// plant adds a marker to a list of nodes, as its first node or its last.
func (p *preparation) plant(list *parse.ListNode, kind markerKind, first bool) {
	node := p.marker(kind, list)
	if first {
		list.Nodes = append([]parse.Node{node}, list.Nodes...)
	} else {
		list.Nodes = append(list.Nodes, node)
	}
}

// marker returns a new marker for the place of a node.
func (p *preparation) marker(kind markerKind, at parse.Node) *parse.TextNode {
	text := p.t.markers.add(marker{kind, p.defined, int(at.Position())})
	return &parse.TextNode{NodeType: parse.NodeText, Pos: at.Position(), Text: text}
}

// callsPerTick is after how many calls of functions the clock is looked at, where no
// loop does it: a call may take some milliseconds.
const callsPerTick = 8

func (p *preparation) list(l *parse.ListNode) {
	if l == nil {
		return
	}
	nodes := make([]parse.Node, 0, len(l.Nodes))
	calls := 0
	for _, n := range l.Nodes {
		p.calls = 0
		p.node(n)
		if p.t.traced {
			nodes = append(nodes, p.marker(here, n))
		}
		nodes = append(nodes, n)
		if calls += p.calls; calls >= callsPerTick {
			calls = 0
			nodes = append(nodes, p.marker(tick, n))
		}
	}
	l.Nodes = nodes
}

func (p *preparation) node(n parse.Node) {
	switch n := n.(type) {
	case *parse.ActionNode:
		p.pipe(n.Pipe)
	case *parse.IfNode:
		p.branch(&n.BranchNode)
	case *parse.WithNode:
		p.branch(&n.BranchNode)
	case *parse.RangeNode:
		p.branch(&n.BranchNode)
		p.plant(n.List, round, true)
	case *parse.TemplateNode:
		p.pipe(n.Pipe)
	}
}

func (p *preparation) branch(b *parse.BranchNode) {
	p.pipe(b.Pipe)
	p.list(b.List)
	p.list(b.ElseList)
}

func (p *preparation) pipe(pipe *parse.PipeNode) {
	if pipe == nil {
		return
	}
	for _, cmd := range pipe.Cmds {
		if p.calls++; p.calls > maxCalls && p.err == nil {
			e := &Error{Template: p.t.name, Problem: fmt.Sprintf("an action calls more than %d functions, fields and values", maxCalls), public: true}
			e.locateAt(p.t, int(pipe.Position()))
			p.err = e
		}
		for _, arg := range cmd.Args {
			p.argument(arg)
		}
	}
}

func (p *preparation) argument(n parse.Node) {
	switch n := n.(type) {
	case *parse.PipeNode:
		p.pipe(n)
	case *parse.IdentifierNode:
		p.t.mutates = p.t.mutates || functions.ChangesArguments(n.Ident)
	case *parse.StringNode:
		p.t.strings[n.Text] = true
	case *parse.FieldNode:
		if n.Ident[0] != "Values" {
			p.names(n, n.Ident)
		}
	case *parse.VariableNode:
		if len(n.Ident) > 1 && n.Ident[1] != "Values" {
			p.names(n, n.Ident[1:])
		}
	case *parse.ChainNode:
		p.argument(n.Node)
		p.names(n, n.Field)
	}
}

// names refuses names that are methods by which a template could change the
// snapshot that all requests share, or get at what is not listed. No field of
// the data has such a name; a key of a map can be had by the function index.
func (p *preparation) names(n parse.Node, names []string) {
	for _, name := range names {
		if !forbidden(name) || p.err != nil {
			continue
		}
		e := &Error{
			Template:   p.t.name,
			Expression: n.String(),
			Problem:    fmt.Sprintf("%s is not available to templates; if it is the key of a map, use index", name),
		}
		e.locateAround(p.t, int(n.Position()))
		p.err = e
	}
}

func forbidden(name string) bool {
	switch name {
	case "Reset", "ProtoReflect", "ProtoMessage", "Descriptor", "DeepCopyInto", "SwaggerDoc":
		return true
	}
	for _, prefix := range []string{"Unmarshal", "Marshal", "XXX_", "Set"} {
		rest, ok := strings.CutPrefix(name, prefix)
		if r, _ := utf8.DecodeRuneInString(rest); ok && (prefix != "Set" || unicode.IsUpper(r)) {
			return true
		}
	}
	return false
}
