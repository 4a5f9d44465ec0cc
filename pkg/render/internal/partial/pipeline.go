package partial

import (
	"reflect"
	"strings"
	"text/template/parse"
)

// pipe is the value of a pipeline, without what it declares.
func (c *compiler) pipe(p *parse.PipeNode, s *scope) *expr {
	if p == nil {
		return known(reflect.Value{})
	}
	var final *expr
	for _, cmd := range p.Cmds {
		final = c.unwrapped(c.command(cmd, final, s))
	}
	return final
}

// unwrapped is the value in an interface, which text/template takes out after each
// command of a pipeline.
func (c *compiler) unwrapped(e *expr) *expr {
	if e.typ != nil {
		return e
	}
	eval := e.eval
	return c.fold(dynamic(func(f *frame) reflect.Value {
		v := eval(f)
		if v.Kind() == reflect.Interface && v.Type().NumMethod() == 0 {
			v = v.Elem()
		}
		return v
	}), e)
}

// command is one command of a pipeline. final is the value of the command before
// it, nil for the first.
func (c *compiler) command(cmd *parse.CommandNode, final *expr, s *scope) *expr {
	if first, ok := cmd.Args[0].(*parse.IdentifierNode); ok {
		return c.function(first.Ident, cmd.Args[1:], final, s)
	}
	if len(cmd.Args) > 1 || final != nil {
		c.unsupported() // a method with arguments, or a mistake
	}
	return c.operand(cmd.Args[0], s)
}

// operand is the value of a node that stands alone, where no type is asked for.
func (c *compiler) operand(n parse.Node, s *scope) *expr {
	switch n := n.(type) {
	case *parse.BoolNode:
		return known(reflect.ValueOf(n.True))
	case *parse.StringNode:
		return known(reflect.ValueOf(n.Text))
	case *parse.NumberNode:
		return c.number(n)
	case *parse.DotNode:
		return s.dot
	case *parse.FieldNode:
		return c.chain(s.dot, n.Ident)
	case *parse.VariableNode:
		return c.chain(c.variable(n.Ident[0], s).value, n.Ident[1:])
	case *parse.ChainNode:
		return c.chain(c.operand(n.Node, s), n.Field)
	case *parse.PipeNode:
		if len(n.Decl) == 0 {
			return c.pipe(n, s)
		}
	}
	// nil stands for nothing here, and the value of a function's bare name keeps
	// its interface.
	c.unsupported()
	return nil
}

// number is a number where its spelling tells the type. Only digits with at most
// one point do here; other spellings are rare.
func (c *compiler) number(n *parse.NumberNode) *expr {
	digits, fraction, point := strings.Cut(strings.TrimPrefix(n.Text, "-"), ".")
	switch {
	case strings.Trim(digits+fraction, "0123456789") != "":
	case point && n.IsFloat:
		return known(reflect.ValueOf(n.Float64))
	case !point && n.IsInt && int64(int(n.Int64)) == n.Int64:
		return known(reflect.ValueOf(int(n.Int64)))
	}
	c.unsupported()
	return nil
}
