package inject

import (
	"context"
	"errors"
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/aliases"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/yamlerror"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/yamlpath"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/classic"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/merge"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render"
)

// outputError is what a template renders that is not part of a pod.
type outputError struct {
	template string
	// place and expression are what in the template has rendered it; place has no file
	// where that was not looked for.
	place      config.Place
	expression string
	// err says what is wrong, and excerpt shows the rendered lines around it.
	err     error
	line    int
	excerpt string
}

// mistake is the error without the rendered lines, which are others for each pod.
func (e *outputError) mistake() string {
	s := e.where()
	if e.expression != "" {
		s += " at " + e.expression
	}
	return s + fmt.Sprintf(" renders what is not part of a pod: %v", e.err)
}

func (e *outputError) Error() string {
	s := e.mistake()
	if e.excerpt != "" {
		s += fmt.Sprintf("; rendered line %d:%s", e.line, e.excerpt)
	}
	return s
}

func (e *outputError) Unwrap() error { return e.err }

// Public is the error without what the template renders.
func (e *outputError) Public() string {
	s := e.where() + " renders what is not part of a pod"
	var large *aliases.Error
	if errors.As(e.err, &large) {
		s += ": " + large.Error()
	}
	return s
}

func (e *outputError) where() string {
	s := fmt.Sprintf("template %q", e.template)
	if e.place.File != "" {
		s = e.place.String() + ": " + s
	}
	return s
}

// explainer adds to the error of a template, or of what it has rendered, where it comes
// from and what the template was shown. It may render the template once more, and shows
// what only readers of the configuration may see, so it is for trials of one.
type explainer struct {
	ctx      context.Context
	template *render.Template
	data     any
}

// maxExplained is the largest rendered text in which the place of a mistake is looked
// for, in bytes: parsed with places, it takes a hundred times as much memory.
const maxExplained = 128 << 10

func (x *explainer) explain(err error) error {
	var failed *render.Error
	if errors.As(err, &failed) {
		return failed.WithKeys(x.data)
	}
	out := &outputError{template: x.template.Name(), place: x.template.Place(), err: err}
	// It is one more rendering, for which the limits begin anew.
	trace := x.template.Trace(x.ctx, new(render.Work), x.data)
	if trace == nil || len(trace.Text) > maxExplained {
		return out
	}
	line, column := placeIn(trace.Text, err)
	if line == 0 {
		return out
	}
	out.place, out.expression = trace.At(line, column)
	out.line, out.excerpt = line, yamlerror.Excerpt(trace.Text, line)
	return out
}

// placeIn finds in a rendered text what an error is about; 0 when it is about the
// whole.
func placeIn(text string, err error) (line, column int) {
	var doc yaml.Node
	if p := yamlerror.Parse([]byte(text), &doc); p != nil {
		return p.Line, p.Column
	}
	path := ""
	var wrong *merge.Error
	var fragment *classic.Error
	switch {
	case errors.As(err, &wrong):
		path = wrong.Path
	case errors.As(err, &fragment):
		path = fragment.Path
	}
	key, value, _ := yamlpath.Find(&doc, path)
	switch {
	case value == nil:
		return 0, 0
	case value.Kind == yaml.ScalarNode && value.Line > 0:
		return value.Line, value.Column
	case key != nil:
		return key.Line, key.Column
	}
	return value.Line, value.Column
}
