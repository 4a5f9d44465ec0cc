package render

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
)

// Error is a template that cannot be compiled, or failed on one pod.
type Error struct {
	// Template is its name in the configuration.
	Template string
	// Place is where the mistake stands in the file that the template was given in;
	// File is empty and Line counts within the template where that is not known.
	config.Place
	// Expression is the part of the template that failed; may be empty.
	Expression string
	// Problem says what is wrong.
	Problem string

	noSuchField bool
	// limited says that a limit was exceeded.
	limited bool
	// public says that publicProblem, or else Problem, holds nothing of the template.
	public        bool
	publicProblem string
	cause         error
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
	case undefined(e.Problem):
		return e.describe("", e.Problem)
	case e.public:
		return e.describe("", cmp.Or(e.publicProblem, e.Problem))
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
		fmt.Fprintf(&s, "%s: ", e.Place)
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
	// Where names the template of a define in which the loop or call is; empty when it
	// is in none.
	Where string

	at int // offset of the loop or call in the text; -1 when not known
}

func (e *LimitError) Error() string {
	s := fmt.Sprintf("exceeds the limit on %s, %s", e.What, e.Limit)
	if e.Where != "" {
		s += ", in the template " + strconv.Quote(e.Where) + " that it defines"
	}
	return s
}

func count(n int) string { return strconv.Itoa(n) }

func byteCount(n int) string { return strconv.Itoa(n) + " bytes" }
