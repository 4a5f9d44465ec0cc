package render

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"text/template"
	"unicode"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render/internal/functions"
)

// Error is a template that cannot be compiled, or failed on one pod.
type Error struct {
	// Template is its name in the configuration.
	Template string
	// File and Line are where the place stands in the configuration file; File
	// is empty and Line counts within the template where that is not known.
	File string
	Line int
	// Expression is the part of the template that failed; may be empty.
	Expression string
	// Problem says what is wrong.
	Problem string

	noSuchField bool
	// limited says that a limit was exceeded.
	limited bool
	// public says that Problem holds nothing of the template.
	public bool
	cause  error
}

func (e *Error) Error() string { return e.describe(e.Expression, e.Problem) }

// Public is the error for readers who have not got the file: template, file and line,
// and what is wrong as far as it can be said without the template's text, which may
// hold secrets.
func (e *Error) Public() string {
	var limit *LimitError
	switch {
	case e.noSuchField && names(e.Expression):
		return e.describe(e.Expression, "names a field that is not there")
	case e.noSuchField:
		return e.describe("", "names a field that is not there")
	case errors.As(e.cause, &limit):
		return e.describe("", limit.Error())
	case e.limited:
		return e.describe("", "exceeds a limit of what functions may take or give")
	case e.public, undefined(e.Problem):
		return e.describe("", e.Problem)
	}
	return e.describe("", "fails")
}

// names reports whether an expression is a chain of names and nothing else.
func names(expression string) bool {
	for _, r := range expression {
		if r != '.' && r != '$' && r != '_' && !unicode.IsLetter(r) {
			return false
		}
	}
	return len(expression) <= 200
}

// undefined reports whether a problem is that of a function that is not there.
func undefined(problem string) bool {
	rest, ok := strings.CutPrefix(problem, "function \"")
	name, _, found := strings.Cut(rest, "\" not defined")
	return ok && found && len(name) < 100
}

func (e *Error) describe(expression, problem string) string {
	var s strings.Builder
	if e.File != "" {
		fmt.Fprintf(&s, "%s:", e.File)
		if e.Line > 0 {
			fmt.Fprintf(&s, "%d:", e.Line)
		}
		s.WriteByte(' ')
	}
	fmt.Fprintf(&s, "template %q", e.Template)
	if e.File == "" && e.Line > 0 {
		fmt.Fprintf(&s, " line %d", e.Line)
	}
	if expression != "" {
		fmt.Fprintf(&s, " at %s", expression)
	}
	return s.String() + ": " + problem
}

func (e *Error) Unwrap() error { return e.cause }

// LimitError says which limit an execution has exceeded.
type LimitError struct {
	What, Limit string
	// Where is the template and line of the loop or call; may be empty.
	Where string
}

func (e *LimitError) Error() string {
	s := fmt.Sprintf("exceeds the limit on %s, %s", e.What, e.Limit)
	if e.Where != "" {
		s += ", in " + e.Where
	}
	return s
}

func count(n int) string { return strconv.Itoa(n) }

func byteCount(n int) string { return strconv.Itoa(n) + " bytes" }

// explain takes the message of text/template apart, which reads
// `template: NAME:LINE:COLUMN: executing "NAME" at <EXPRESSION>: PROBLEM`,
// when parsing without column and expression.
func (t *Template) explain(err error) *Error {
	e := &Error{Template: t.name, Problem: err.Error(), cause: err}
	var limit *LimitError
	e.limited = errors.As(err, &limit) || functions.IsLimit(err)
	if limit != nil {
		e.locate(t, 0)
		return e
	}
	msg := err.Error()
	var exec template.ExecError
	if errors.As(err, &exec) {
		msg = exec.Err.Error()
	}
	rest, ok := strings.CutPrefix(msg, "template: "+t.name+":")
	if !ok {
		e.locate(t, 0)
		return e
	}
	number, rest, _ := strings.Cut(rest, ":")
	line, _ := strconv.Atoi(number)
	if column, after, ok := strings.Cut(rest, ": "); ok {
		if _, err := strconv.Atoi(column); err == nil {
			rest = after
		}
	}
	rest = strings.TrimSpace(rest)
	if after, ok := strings.CutPrefix(rest, "executing "); ok {
		if _, at, ok := strings.Cut(after, " at <"); ok {
			// An expression may hold ">: " itself, the problem hardly does.
			if i := strings.LastIndex(at, ">: "); i >= 0 {
				e.Expression, rest = at[:i], at[i+len(">: "):]
			}
		}
	}
	// A function's error is wrapped; what is left are text/template's own, which
	// have no types.
	if errors.Unwrap(exec.Err) == nil {
		e.noSuchField = strings.HasPrefix(rest, "can't evaluate field ") || strings.HasPrefix(rest, "nil pointer evaluating interface {}.")
	}
	e.Problem = plainTypes(rest)
	e.locate(t, line)
	return e
}

// plainTypes says "the data" for the type of what templates see.
func plainTypes(problem string) string {
	for _, name := range []string{"type *render.Data", "type *render.ClassicData"} {
		problem = strings.ReplaceAll(problem, name, "the data that templates see")
	}
	return problem
}

// locate turns a line of the template into one of the file.
func (e *Error) locate(t *Template, line int) {
	e.Line = line
	if t.source.File == "" {
		return
	}
	e.File = t.source.File
	if line > 0 && t.source.Line > 0 {
		e.Line = line + t.source.Line - 1
	}
}
