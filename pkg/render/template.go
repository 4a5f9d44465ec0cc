package render

import (
	"context"
	"iter"
	"maps"
	"reflect"
	"slices"
	"sync"
	"text/template"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render/internal/partial"
)

// Template is a compiled template. It never changes, so any number of
// goroutines may execute it at once.
type Template struct {
	name     string
	text     string
	origin   config.Origin
	language *Language
	parsed   *template.Template
	markers  markers
	mutates  bool
	extent   extent
	strings  map[string]bool // the string constants in actions
	limits   Limits
	meters   sync.Pool
	// programs are tried in order; the first that fits the data runs.
	programs []*partial.Program
	// traced says that the output is followed back to the text, see [Template.Trace].
	traced bool
}

// Name returns the template's name in the configuration.
func (t *Template) Name() string { return t.name }

// Place is where the template begins in the file that it was given in.
func (t *Template) Place() config.Place { return t.origin.Start() }

// Mutates reports whether the template may change maps that it is given, by
// sprig's set, unset, merge and the like: its data must then be a copy of what
// others also read.
func (t *Template) Mutates() bool { return t.mutates }

// Strings returns the string constants in the template's actions, which name the
// labels and annotations that it reads.
func (t *Template) Strings() iter.Seq[string] { return maps.Keys(t.strings) }

// Execute renders the template. The error is an *Error that names template,
// line and expression.
func (t *Template) Execute(data any) (out []byte, err error) {
	err = t.ExecuteFunc(context.Background(), new(Work), data, func(text []byte) error {
		out = slices.Clone(text)
		return nil
	})
	return out, err
}

// ExecuteFunc renders the template and passes the text to use, which must not keep
// it. An error of use is returned as it is. The limits hold for all executions that
// share the work; ctx ends this one, whose error is then that of ctx.
func (t *Template) ExecuteFunc(ctx context.Context, work *Work, data any, use func(text []byte) error) error {
	m := t.meters.Get().(*meter)
	defer t.meters.Put(m)
	m.begin(ctx, work)
	defer m.finish()
	if !t.tryProgram(m, data) {
		if err := t.executePlain(m, data); err != nil {
			return t.explain(err)
		}
	}
	return use(m.out)
}

// tryProgram runs the program that fits the data. It returns false when there is
// none, or when it falls back.
func (t *Template) tryProgram(m *meter, data any) bool {
	if len(t.programs) == 0 {
		return false
	}
	fields := reflect.Indirect(reflect.ValueOf(data))
	for _, p := range t.programs {
		if p.Fits(fields) {
			m.start()
			return p.Run(fields, m)
		}
	}
	return false
}

// executePlain has text/template execute the template.
func (t *Template) executePlain(m *meter, data any) error {
	m.start()
	return t.parsed.Execute(m, data)
}
