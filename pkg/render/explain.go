package render

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"unicode"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/nearest"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render/internal/functions"
)

// maxNamed is how many names of functions, fields or keys a message lists.
const maxNamed = 10

// explain makes an error of what an execution returns.
func (t *Template) explain(err error) *Error {
	var limit *LimitError
	if errors.As(err, &limit) {
		e := &Error{Template: t.name, Problem: err.Error(), cause: err, limited: true}
		if limit.at >= 0 {
			e.locateAt(t, limit.at)
		} else {
			e.locate(t, 0, 0)
		}
		return e
	}
	e := t.message(err)
	e.limited = functions.IsLimit(err)
	e.Problem = t.expected(e.Problem)
	return e
}

// message takes the message of text/template apart, which reads
// `template: NAME:LINE:COLUMN: executing "NAME" at <EXPRESSION>: PROBLEM`,
// when parsing without column and expression.
func (t *Template) message(err error) *Error {
	e := &Error{Template: t.name, Problem: err.Error(), cause: err}
	e.locate(t, 0, 0)
	msg := err.Error()
	var exec template.ExecError
	if errors.As(err, &exec) {
		msg = exec.Err.Error()
	}
	rest, ok := strings.CutPrefix(msg, "template: "+t.name+":")
	if !ok {
		return e
	}
	number, rest, _ := strings.Cut(rest, ":")
	line, _ := strconv.Atoi(number)
	column := -1
	if text, after, ok := strings.Cut(rest, ": "); ok {
		if n, err := strconv.Atoi(text); err == nil {
			column, rest = n, after
		}
	}
	rest = strings.TrimSpace(rest)
	inner := errors.Unwrap(exec.Err)
	if after, ok := strings.CutPrefix(rest, "executing "); ok {
		if _, at, ok := strings.Cut(after, " at <"); ok {
			// An expression and a function's message may hold ">: " themselves.
			said := ""
			if inner != nil {
				said = inner.Error()
			}
			if i := strings.LastIndex(strings.TrimSuffix(at, said), ">: "); i >= 0 {
				e.Expression, rest = at[:i], at[i+len(">: "):]
			}
		}
	}
	// A function's error is wrapped; what is left are text/template's own, which
	// have no types.
	if inner == nil {
		e.noSuchField = strings.HasPrefix(rest, "can't evaluate field ") || strings.HasPrefix(rest, "nil pointer evaluating interface {}.")
	}
	if e.Problem = rest; column >= 0 && line > 0 {
		e.locateExpression(t, line, column)
	} else {
		e.locate(t, line, 0)
	}
	if said, ok := strings.CutPrefix(rest, "error calling fail: "); ok && inner != nil {
		e.Expression, e.Problem = "fail", "the template refuses the pod: "+said
	}
	return e
}

// expected adds to a problem what would have been right, as far as the types say it.
func (t *Template) expected(problem string) string {
	if m := noField.FindStringSubmatch(problem); m != nil {
		return t.noSuchField(problem, m[1], m[2])
	}
	if m := notDefined.FindStringSubmatch(problem); m != nil {
		return problem + "; " + t.defined(m[1])
	}
	if m := nilPointer.FindStringSubmatch(problem); m != nil {
		return fmt.Sprintf("what .%s is asked of is not set: put the action into {{ with }} or {{ if }}", m[1])
	}
	return strings.NewReplacer(
		"reflect: slice index out of range", "the list has fewer items: ask for its length with len, or use range",
		"error calling index: index of untyped nil", "error calling index: what it is asked of is not there",
	).Replace(problem)
}

// What text/template says, with the names in it.
var (
	noField    = regexp.MustCompile(`^can't evaluate field (\w+) in type (.+)$`)
	notDefined = regexp.MustCompile(`^template "(.*)" not defined$`)
	nilPointer = regexp.MustCompile(`^nil pointer evaluating .*?\.(\w+)$`)
)

// noSuchField says which fields there are, the nearest name first.
func (t *Template) noSuchField(problem, field, typeName string) string {
	what, of := "type "+typeName, typeNamed(typeName)
	if of == dataType() || of == classicDataType() {
		what = "the data that templates see"
		problem = strings.Replace(problem, "type "+typeName, what, 1)
	}
	switch {
	case of == nil && strings.HasPrefix(typeName, "[]"):
		return problem + "; it is a list: use range, or index with a number"
	case of == nil:
		return problem
	}
	known := fields(of)
	problem = fmt.Sprintf("can't evaluate field %s in %s%s", field, what, meant(".", field, known))
	return problem + fmt.Sprintf("; its fields are %s", nearest.List(field, known, maxNamed))
}

// meant asks whether the nearest name was meant, if one is near.
func meant(before, name string, known []string) string {
	// In a name as short as those of functions, two letters less make another word.
	if near := nearest.Of(name, known); near != "" && len(near) > len(name)-2 {
		return ": did you mean " + before + near + "?"
	}
	return ""
}

// defined says which templates a text defines.
func (t *Template) defined(name string) string {
	var known []string
	for _, other := range t.parsed.Templates() {
		if other.Name() != t.name && other.Tree != nil {
			known = append(known, other.Name())
		}
	}
	if known == nil {
		return "this one defines none: templates of other names cannot be called"
	}
	return "it defines " + nearest.List(name, known, maxNamed)
}

// undefined says about a function that is not there which ones are, the nearest name
// first.
func (l *Language) undefined(problem string) string {
	name := quotedWord(problem)
	if functions.Removed(name) {
		return problem + ": templates have no clock, randomness, keys, network or environment, so that one pod gives the same result always"
	}
	known := append(l.Functions(), builtins()...)
	slices.Sort(known)
	known = slices.Compact(known)
	near := slices.DeleteFunc(slices.Clone(known), func(k string) bool { return !nearest.Like(name, k) })
	if len(near) == 0 {
		return problem + "; docs/templates.md has the functions that there are"
	}
	return problem + meant("", name, known) + "; known functions are " + nearest.List(name, near, maxNamed) + "; docs/templates.md has all"
}

// builtins are the functions of text/template that no language has for itself.
func builtins() []string {
	return []string{"and", "call", "eq", "ge", "gt", "html", "index", "js", "le", "len", "lt", "ne", "not", "or", "print", "printf", "println", "slice", "urlquery"}
}

func dataType() reflect.Type        { return reflect.TypeFor[*Data]() }
func classicDataType() reflect.Type { return reflect.TypeFor[*ClassicData]() }

// typeNamed finds a type, which text/template names without its package's path, among
// those that templates see; nil where there is none with fields.
func typeNamed(name string) reflect.Type {
	seen := map[reflect.Type]bool{}
	next := []reflect.Type{dataType(), classicDataType()}
	for len(next) > 0 {
		of := next[0]
		next = next[1:]
		if seen[of] {
			continue
		}
		seen[of] = true
		if of.String() == name {
			return withFields(of)
		}
		switch of.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			next = append(next, of.Elem())
		case reflect.Struct:
			next = append(next, reflect.PointerTo(of))
			for i := range of.NumField() {
				if f := of.Field(i); f.IsExported() {
					next = append(next, f.Type)
				}
			}
		}
	}
	return nil
}

func withFields(of reflect.Type) reflect.Type {
	if of.Kind() == reflect.Struct || of.Kind() == reflect.Pointer && of.Elem().Kind() == reflect.Struct {
		return of
	}
	return nil
}

// fields are the names that templates may read of a struct.
func fields(of reflect.Type) (names []string) {
	if of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	for i := range of.NumField() {
		if f := of.Field(i); f.IsExported() && !strings.HasPrefix(f.Name, "XXX_") {
			names = append(names, f.Name)
		}
	}
	return names
}

// WithKeys returns an error of [Template.ExecuteFunc] with the names of the keys that
// the data has, where it is about one that it has not. These are names of the
// configuration, so the result is for those who may read that.
func (e *Error) WithKeys(data any) *Error {
	if e.limited {
		return e
	}
	hint := absent(e.Expression, data)
	if hint == "" {
		return e
	}
	out := *e
	out.Problem = hint
	return &out
}

// absent says which part of an expression is not there, and what is; empty when all
// is, or when the expression is none that can be followed.
func absent(expression string, data any) string {
	path, ok := strings.CutPrefix(expression, "$")
	if !ok {
		path = expression
	}
	if !strings.HasPrefix(path, ".") || strings.ContainsFunc(path, func(r rune) bool { return r != '.' && r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		return ""
	}
	v := reflect.ValueOf(data)
	at := ""
	for _, name := range strings.Split(path[1:], ".") {
		for v.IsValid() && (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface) {
			v = v.Elem()
		}
		if !v.IsValid() {
			return fmt.Sprintf("%s is null, so it has no %s: put the action into {{ with }} or {{ if }}", at, name)
		}
		switch {
		case v.Kind() == reflect.Struct:
			v = v.FieldByName(name)
			if !v.IsValid() {
				return ""
			}
		case v.Kind() == reflect.Map && v.Type().Key().Kind() == reflect.String:
			next := v.MapIndex(reflect.ValueOf(name).Convert(v.Type().Key()))
			if !next.IsValid() {
				return noKey(at, name, v)
			}
			v = next
		default:
			return ""
		}
		at += "." + name
	}
	return ""
}

func noKey(at, name string, m reflect.Value) string {
	var known []string
	for _, k := range m.MapKeys() {
		known = append(known, k.String())
	}
	is := fmt.Sprintf("%s.%s is not there%s", at, name, meant(at+".", name, known))
	if known == nil {
		return is + "; " + at + " is empty"
	}
	return is + "; " + at + " has " + nearest.List(name, known, maxNamed)
}

// oneLine shows an expression in a message.
func oneLine(expression string) string {
	words := strings.Join(strings.Fields(expression), " ")
	if r := []rune(words); len(r) > maxExpression {
		return string(r[:maxExpression]) + "..."
	}
	return words
}

// maxExpression is how much of an action a message shows, in characters.
const maxExpression = 100
