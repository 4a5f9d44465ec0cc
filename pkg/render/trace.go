package render

import (
	"context"
	"sort"
	"strings"
	"text/template/parse"
	"unicode/utf8"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
)

// Trace is one execution of a template, with what each part of its output comes from.
type Trace struct {
	// Text is the output.
	Text string

	template *Template
	data     any
	steps    []traceStep
	// nodes are what stands at places in the template's text.
	nodes map[int]parse.Node
}

// traceStep says that the output from out on comes from a place in the template.
type traceStep struct{ out, at int }

// maxTraced is how many steps of an execution are followed: each line of output takes
// some three, and a text of 1 MiB with more is shown without places.
const maxTraced = 100_000

func (t *Trace) note(out, at int) {
	if len(t.steps) < maxTraced {
		t.steps = append(t.steps, traceStep{out, at})
	}
}

// Trace renders the template once more, to say where in it a mistake in the output
// comes from. It costs several times what an execution does, and counts for the work
// and the limits as one. It returns nil when the execution fails.
func (t *Template) Trace(ctx context.Context, work *Work, data any) *Trace {
	traced := &Template{
		name: t.name, text: t.text, origin: t.origin, language: t.language,
		limits: t.limits, markers: markers{}, strings: map[string]bool{}, traced: true,
	}
	if traced.parse() != nil {
		return nil
	}
	m := traced.meters.Get().(*meter)
	m.begin(ctx, work)
	defer m.finish()
	m.trace = &Trace{template: traced, data: data, nodes: map[int]parse.Node{}}
	if traced.executePlain(m, data) != nil {
		return nil
	}
	m.trace.Text = string(m.out)
	for _, tmpl := range traced.parsed.Templates() {
		if tmpl.Tree != nil && tmpl.Tree.Root != nil {
			m.trace.collect(tmpl.Tree.Root)
		}
	}
	return m.trace
}

func (t *Trace) collect(list *parse.ListNode) {
	if list == nil {
		return
	}
	for _, n := range list.Nodes {
		if text, ok := n.(*parse.TextNode); ok && len(text.Text) == 1 {
			if _, marked := t.template.markers.find(text.Text); marked {
				continue
			}
		}
		t.nodes[int(n.Position())] = n
		var b *parse.BranchNode
		switch n := n.(type) {
		case *parse.IfNode:
			b = &n.BranchNode
		case *parse.WithNode:
			b = &n.BranchNode
		case *parse.RangeNode:
			b = &n.BranchNode
		default:
			continue
		}
		t.collect(b.List)
		t.collect(b.ElseList)
	}
}

// At returns what has written a line and column of the output, which count from 1: its
// place in the file of the template, and the expression, empty where it is plain text.
func (t *Trace) At(line, column int) (config.Place, string) {
	offset := 0
	for ; line > 1; line-- {
		i := strings.IndexByte(t.Text[offset:], '\n')
		if i < 0 {
			break
		}
		offset += i + 1
	}
	for ; column > 1 && offset < len(t.Text) && t.Text[offset] != '\n'; column-- {
		_, n := utf8.DecodeRuneInString(t.Text[offset:])
		offset += n
	}
	// The last step that begins here or before has written it: of several at one
	// place, the others wrote nothing.
	i := sort.Search(len(t.steps), func(i int) bool { return t.steps[i].out > offset }) - 1
	e := &Error{}
	if i < 0 {
		e.locate(t.template, 0, 0)
		return e.Place, ""
	}
	s := t.steps[i]
	switch n := t.nodes[s.at].(type) {
	case *parse.TextNode:
		e.locateAt(t.template, min(s.at+offset-s.out, len(t.template.text)))
	case *parse.ActionNode:
		e.Expression = n.Pipe.String()
		e.locateAround(t.template, s.at)
	default:
		e.locateAt(t.template, min(s.at, len(t.template.text)))
	}
	return e.Place, oneLine(e.Expression)
}

// NoValues returns an error for each action that has written `<no value>`, which is
// what comes of a key that a map does not have.
func (t *Trace) NoValues() (out []*Error) {
	const noValue = "<no value>"
	seen := map[int]bool{}
	for i, s := range t.steps {
		end := len(t.Text)
		if i+1 < len(t.steps) {
			end = t.steps[i+1].out
		}
		n, ok := t.nodes[s.at].(*parse.ActionNode)
		if !ok || seen[s.at] || !strings.Contains(t.Text[s.out:end], noValue) {
			continue
		}
		seen[s.at] = true
		e := &Error{Template: t.template.name, Expression: n.Pipe.String(), Problem: "gives " + noValue, noSuchField: true}
		e.locateAround(t.template, s.at)
		if hint := absent(e.Expression, t.data); hint != "" {
			e.Problem += ": " + hint
		}
		e.Expression = oneLine(e.Expression)
		out = append(out, e)
	}
	return out
}
