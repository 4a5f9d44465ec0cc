package config

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cut"
)

// Error is one thing that is wrong in one file.
type Error struct {
	// Place is where the field was given; without a line when the error is about the
	// file as a whole.
	Place
	// Field is the path of the field, for example neverInjectSelector[2]; empty
	// when the error is about the file as a whole.
	Field string
	// Problem is what is wrong and what is allowed. It may show the value.
	Problem string

	public string
}

func (e *Error) Error() string {
	return e.location() + e.Problem
}

// Public is the error for readers who have not got the file: it says the same
// without the file's values.
func (e *Error) Public() string { return e.location() + e.public }

// given is a part of a message that comes from the file, and what stands for it
// where values are not shown.
type given struct{ full, public string }

func (g given) String() string { return g.full }

// shared is a part that is no secret.
func shared(text string) given { return given{text, text} }

// hidden stands for a value that is not shown.
const hidden = "(not shown)"

// shown is a value in a message, by the format that is for its type.
func shown(format string, value any) given { return given{fmt.Sprintf(format, value), hidden} }

func (e *Error) location() string {
	s := e.Place.String() + ": "
	if e.Field != "" {
		s += cut.Line(e.Field, maxField) + ": "
	}
	return s
}

// report collects the errors and notes about one file.
type report struct {
	ctx    context.Context // nil: there is no end
	source Source
	errs   []*Error
	notes  []*Error
	nodes  map[string]*yaml.Node
}

// at notes where a field stands, for checks after parsing.
func (r *report) at(field string, n *yaml.Node) {
	if r.nodes == nil {
		r.nodes = map[string]*yaml.Node{}
	}
	r.nodes[field] = n
}

// node is where a field, or the nearest field around it, stands; nil when that is not
// known.
func (r *report) node(field string) *yaml.Node {
	for field != "" {
		if n, ok := r.nodes[field]; ok {
			return n
		}
		field = field[:max(strings.LastIndexByte(field, '.'), 0)]
	}
	return nil
}

// where is which of a key and its value a message points at: the value, if it is
// written on a line.
func where(k, v *yaml.Node) *yaml.Node {
	if v.Kind == yaml.ScalarNode && !isNull(v) && v.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 {
		return v
	}
	return k
}

// ended reports whether the context has ended. Nobody reads the report then.
func (r *report) ended() bool { return r.ctx != nil && r.ctx.Err() != nil }

func (r *report) errorf(n *yaml.Node, field, format string, args ...any) {
	r.errs = r.add(r.errs, n, field, format, args)
}

func (r *report) notef(n *yaml.Node, field, format string, args ...any) {
	r.notes = r.add(r.notes, n, field, format, args)
}

// add adds to a list, up to maxReported and one that says that there are more.
func (r *report) add(list []*Error, at *yaml.Node, field, format string, args []any) []*Error {
	switch n := len(list); {
	case n > maxReported:
		return list
	case n == maxReported:
		return append(list, r.newError(nil, "", "there is more to say than these %d, which is left out", []any{maxReported}))
	}
	return append(list, r.newError(at, field, format, args))
}

func (r *report) newError(n *yaml.Node, field, format string, args []any) *Error {
	e := &Error{Place: r.source.place(field, n), Field: field, Problem: fmt.Sprintf(format, args...)}
	for i, a := range args {
		if g, ok := a.(given); ok {
			args[i] = shared(g.public)
		}
	}
	e.public = fmt.Sprintf(format, args...)
	return e
}

// maxField is how much of a field's path is shown, in bytes: a part of it may be
// a key of the file.
const maxField = 300

// join returns the errors and the notes about several files, each file's in the
// order of the lines.
func join(reports ...*report) (notes []string, err error) {
	var errs []error
	byLine := func(a, b *Error) int { return cmp.Or(a.Line-b.Line, a.Column-b.Column) }
	for _, r := range reports {
		slices.SortStableFunc(r.errs, byLine)
		slices.SortStableFunc(r.notes, byLine)
		for _, e := range r.errs {
			errs = append(errs, e)
		}
		for _, n := range r.notes {
			notes = append(notes, n.Error())
		}
	}
	return notes, errors.Join(errs...)
}
