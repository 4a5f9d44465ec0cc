package render

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"text/template"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render/internal/functions"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render/internal/partial"
)

// Language is the dialect of a template: delimiters and functions.
type Language struct {
	// OnDefect is called when a part of this package failed that exists for speed
	// only. The pod is not harmed, because text/template did the work instead, so a
	// server may count these and a test must fail. Several goroutines may call it at
	// once. Nil means that nobody wants to know. It must be set before [Language.Compile].
	OnDefect func(template string, defect error)

	left, right string
	funcs       template.FuncMap
	// kept is what the programs take in memory that were made so far, in bytes.
	kept atomic.Int64
}

// maxKept limits the memory of all programs of a language, and so of a configuration.
// Templates in the field take some hundred kilobytes. The templates that come when
// it is used up are rendered just the same, but slower.
const maxKept = 16 << 20

// Current returns the language of the current dialect. env holds the variables
// that the function env may read.
func Current(env map[string]string) *Language {
	return &Language{left: "{{", right: "}}", funcs: functions.Current(maps.Clone(env))}
}

// Classic returns the language of the classic dialect.
func Classic() *Language {
	return &Language{left: "[[", right: "]]", funcs: functions.Classic()}
}

// Functions returns the names of the language's functions, sorted, without those
// that only text/template has.
func (l *Language) Functions() []string {
	return slices.Sorted(maps.Keys(l.funcs))
}

// Constants says which fields of the data are the same for nearly every pod, so
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
// place, by origin.
func (l *Language) Compile(name, text string, origin config.Origin, limits Limits, constants ...Constants) (*Template, error) {
	return l.CompileContext(context.Background(), name, text, origin, limits, constants...)
}

// CompileContext is Compile, which ends with an error of the context when that ends
// before.
func (l *Language) CompileContext(ctx context.Context, name, text string, origin config.Origin, limits Limits, constants ...Constants) (*Template, error) {
	t := &Template{name: name, text: text, origin: origin, language: l, limits: limits.withDefaults(), markers: markers{}, strings: map[string]bool{}}
	t.extent = measure(text, l.left, l.right)
	if problem := t.extent.check(); problem != "" {
		e := &Error{Template: name, Problem: problem, public: true}
		e.locate(t, 0, 0)
		return nil, e
	}
	if err := t.parse(); err != nil {
		return nil, err
	}
	if !t.mutates {
		for _, c := range constants {
			if p := t.program(ctx, l, c); p != nil {
				t.programs = append(t.programs, p)
			}
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("compiling the template %q: %w", name, err)
	}
	return t, nil
}

// parse parses the text and prepares it to be executed.
func (t *Template) parse() error {
	parsed, err := t.language.parse(t.name, t.text)
	if err != nil {
		return t.syntaxError(err)
	}
	t.parsed = parsed
	t.meters.New = func() any { return &meter{limits: &t.limits, markers: t.markers} }
	return t.prepare()
}

// program evaluates the template in part; nil where that cannot be done.
func (t *Template) program(ctx context.Context, l *Language, c Constants) *partial.Program {
	if l.kept.Load() > maxKept {
		return nil
	}
	end := t.limits.Now().Add(t.limits.Time)
	p := partial.Compile(t.parsed, partial.Options{
		Funcs:     l.funcs,
		Data:      c.Data,
		Constants: c.Fields,
		Marker: func(text []byte) (int, bool) {
			m, ok := t.markers.find(text)
			return m.kind.steps(), ok
		},
		Depth: t.limits.Depth,
		// Compiling may take no longer than an execution.
		Late: func() bool { return ctx.Err() != nil || t.limits.Now().After(end) },
		Defect: func(err error) {
			if l.OnDefect != nil {
				l.OnDefect(t.name, err)
			}
		},
	})
	if p == nil || l.kept.Add(int64(p.Size())) > maxKept {
		return nil
	}
	return p
}
