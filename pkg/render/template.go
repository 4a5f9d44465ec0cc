package render

import (
	"maps"
	"reflect"
	"slices"
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
	// programs are tried in order; the first that fits the data runs.
	programs []*program
}

// Constants tells which fields of the data are the same for nearly every pod, so
// that what follows from them alone is worked out when the template is compiled.
// Data that differs from them is rendered just the same, but slower.
type Constants struct {
	// Data is a *Data or *ClassicData.
	Data any
	// Fields are names of its fields. Their values must never change.
	Fields []string
}

// Compile parses a template. Where several Constants are given, the first that
// fits the data of a pod is used. The error is an *Error that names template and
// line.
func (l *Language) Compile(name, text string, source Source, limits Limits, constants ...Constants) (*Template, error) {
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
	for _, c := range constants {
		// A copy, so that nobody can change the fields any more.
		data := reflect.New(reflect.TypeOf(c.Data).Elem()).Elem()
		data.Set(reflect.ValueOf(c.Data).Elem())
		fields := make([]constant, len(c.Fields))
		for i, name := range c.Fields {
			field, _ := data.Type().FieldByName(name)
			fields[i] = constant{name: name, index: field.Index[0], value: data.FieldByName(name)}
		}
		if p := t.reduce(l.funcs, data.Type(), fields); p != nil {
			t.programs = append(t.programs, p)
		}
	}
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
func (t *Template) Execute(data any) (out []byte, err error) {
	err = t.ExecuteFunc(data, func(text []byte) error {
		out = slices.Clone(text)
		return nil
	})
	return out, err
}

// ExecuteFunc renders the template and passes the text to use, which must not keep
// it. An error of use is returned as it is.
func (t *Template) ExecuteFunc(data any, use func(text []byte) error) error {
	w := t.buffers.Get().(*writer)
	defer t.buffers.Put(w)
	w.end = t.limits.Now().Add(t.limits.Time)
	if !t.quickly(w, data) {
		w.reset()
		if err := t.parsed.Execute(w, data); err != nil {
			return t.explain(err)
		}
	}
	return use(w.out)
}

// quickly runs the program that fits the data. It returns false when there is
// none, or when it gives up.
func (t *Template) quickly(w *writer, data any) bool {
	if len(t.programs) == 0 {
		return false
	}
	fields := reflect.Indirect(reflect.ValueOf(data))
	for _, p := range t.programs {
		if p.fits(fields) {
			w.reset()
			return p.run(w, fields)
		}
	}
	return false
}
