package render

import (
	"maps"
	"sync"
	"text/template"
)

// Language is the dialect of a template: delimiters and functions.
type Language struct {
	left, right string
	funcs       template.FuncMap
}

// Current returns the language of the current dialect. env holds the variables
// that the function env may read.
func Current(env map[string]string) *Language {
	return &Language{"{{", "}}", currentFuncs(maps.Clone(env))}
}

// Classic returns the language of the classic dialect.
func Classic() *Language {
	return &Language{"[[", "]]", classicFuncs()}
}

// Functions returns the names of the language's functions, apart from those
// that text/template has itself.
func (l *Language) Functions() []string {
	return sortedKeys(l.funcs)
}

// Source is where a template's text stands, for messages.
type Source struct {
	// File is the configuration file, and Line the line at which the text
	// begins. Both may be left out.
	File string
	Line int
}

// Template is a compiled template. It never changes, so any number of
// goroutines may execute it at once.
type Template struct {
	name    string
	source  Source
	parsed  *template.Template
	markers markers
	mutates bool
	limits  Limits
	buffers sync.Pool
}

// Compile parses a template. The error is an *Error that names template and
// line.
func (l *Language) Compile(name, text string, source Source, limits Limits) (*Template, error) {
	t := &Template{name: name, source: source, limits: limits.withDefaults()}
	parsed, err := template.New(name).Delims(l.left, l.right).Funcs(l.funcs).Parse(text)
	if err != nil {
		return nil, t.explain(err)
	}
	t.parsed = parsed
	if err := t.prepare(); err != nil {
		return nil, err
	}
	t.buffers.New = func() any { return &writer{limits: &t.limits, markers: &t.markers} }
	return t, nil
}

// Name returns the template's name in the configuration.
func (t *Template) Name() string { return t.name }

// Mutates reports whether the template may change maps that it is given, by
// sprig's set, unset, merge and the like: its data must then be a copy of what
// others also read.
func (t *Template) Mutates() bool { return t.mutates }

// Execute renders the template. The error is an *Error that names template,
// line and expression.
func (t *Template) Execute(data any) ([]byte, error) {
	w := t.buffers.Get().(*writer)
	defer t.buffers.Put(w)
	w.out, w.steps, w.depth = w.out[:0], 0, 0
	w.end = t.limits.Now().Add(t.limits.Time)
	if err := t.parsed.Execute(w, data); err != nil {
		return nil, t.explain(err)
	}
	out := make([]byte, len(w.out))
	copy(out, w.out)
	return out, nil
}
