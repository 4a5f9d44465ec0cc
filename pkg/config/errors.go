package config

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cut"
)

// Error is one thing that is wrong in one file.
type Error struct {
	// File is the Source's name.
	File string
	// Line counts from 1; 0 when the error is about the file as a whole.
	Line int
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
	s := e.File + ": "
	if e.Line > 0 {
		s = fmt.Sprintf("%s:%d: ", e.File, e.Line)
	}
	if e.Field != "" {
		s += cut.Line(e.Field, maxField) + ": "
	}
	return s
}

// report collects the errors and notes about one file.
type report struct {
	ctx   context.Context // nil: there is no end
	file  string
	errs  []*Error
	notes []*Error
	lines map[string]int
}

// at notes the line of a field, for checks after parsing.
func (r *report) at(field string, line int) {
	if r.lines == nil {
		r.lines = map[string]int{}
	}
	r.lines[field] = line
}

// line returns the line of a field or of the nearest field around it; 0 when none
// is known.
func (r *report) line(field string) int {
	for field != "" {
		if n, ok := r.lines[field]; ok {
			return n
		}
		field = field[:max(strings.LastIndexByte(field, '.'), 0)]
	}
	return 0
}

// ended reports whether the context has ended. Nobody reads the report then.
func (r *report) ended() bool { return r.ctx != nil && r.ctx.Err() != nil }

func (r *report) errorf(line int, field, format string, args ...any) {
	r.errs = r.add(r.errs, line, field, format, args)
}

func (r *report) notef(line int, field, format string, args ...any) {
	r.notes = r.add(r.notes, line, field, format, args)
}

// add adds to a list, up to maxReported and one that says that there are more.
func (r *report) add(list []*Error, line int, field, format string, args []any) []*Error {
	switch n := len(list); {
	case n > maxReported:
		return list
	case n == maxReported:
		return append(list, r.newError(0, "", "there is more to say than these %d, which is left out", []any{maxReported}))
	}
	return append(list, r.newError(line, field, format, args))
}

func (r *report) newError(line int, field, format string, args []any) *Error {
	e := &Error{File: r.file, Line: line, Field: field, Problem: fmt.Sprintf(format, args...)}
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
	byLine := func(a, b *Error) int { return a.Line - b.Line }
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
