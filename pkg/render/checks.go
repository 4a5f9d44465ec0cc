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
		p.tree, p.name = tmpl.Tree, tmpl.Name()
		p.list(tmpl.Tree.Root)
		p.plant(tmpl.Tree.Root, enter, true)
		p.plant(tmpl.Tree.Root, leave, false)
	}
	return p.err
}

type preparation struct {
	t    *Template
	tree *parse.Tree
	name string
	err  error
}

// plant adds a marker to a list of nodes, as its first node or its last.
func (p *preparation) plant(list *parse.ListNode, kind markerKind, first bool) {
	text := p.t.markers.add(marker{kind, fmt.Sprintf("%q line %d", p.name, p.line(list))})
	node := &parse.TextNode{NodeType: parse.NodeText, Pos: list.Pos, Text: text}
	if first {
		list.Nodes = append([]parse.Node{node}, list.Nodes...)
	} else {
		list.Nodes = append(list.Nodes, node)
	}
}

// line is where a node stands in the template.
func (p *preparation) line(n parse.Node) int {
	location, _ := p.tree.ErrorContext(n)
	_, rest, _ := strings.Cut(strings.TrimPrefix(location, p.tree.ParseName), ":")
	line := 0
	_, _ = fmt.Sscanf(rest, "%d", &line)
	return line
}

func (p *preparation) list(l *parse.ListNode) {
	if l == nil {
		return
	}
	for _, n := range l.Nodes {
		p.node(n)
	}
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
		p.t.names[n.Text] = true
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
		e.locate(p.t, p.line(n))
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
