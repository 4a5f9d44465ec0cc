package inject

import (
	"context"
	"errors"
	"fmt"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render"
)

// Findings are what is wrong with a configuration, each once.
type Findings struct {
	// Errors are why the configuration is refused. Each says by its method Public() string
	// the same without what is in the configuration.
	Errors []error
	// Warnings are what is probably not what the author of the configuration wants.
	// They may show what is in the configuration, see [Findings.PublicWarnings].
	Warnings []string

	public []string // of each warning
}

// Err joins the errors; nil when there is none.
func (f *Findings) Err() error { return errors.Join(f.Errors...) }

// PublicWarnings returns the warnings for readers who have not got the configuration,
// in the same order: those about templates say nothing of what these render.
func (f *Findings) PublicWarnings() []string { return f.public }

func (f *Findings) warn(full, public string) {
	f.Warnings, f.public = append(f.Warnings, full), append(f.public, public)
}

// Load parses a configuration, compiles its templates and tries them on sample pods. It
// is the one judgement of a configuration: a server, a guard of its ConfigMaps and the
// command line all call it. A configuration with any error is refused.
//
// The snapshot is nil when something cannot be parsed or compiled, and not when only
// the trial has found errors. When ctx ends before the end, there is an error that
// wraps that of ctx.
func Load(ctx context.Context, sources config.Sources, o Options) (*Snapshot, Findings) {
	s, f := load(ctx, sources, o)
	if s != nil {
		s.judge(ctx, &f)
	}
	return s, f
}

// LoadUntried is Load without the trial: for a part of a configuration whose other
// parts are not known, on which the outcome of a trial depends.
func LoadUntried(ctx context.Context, sources config.Sources, o Options) Findings {
	s, f := load(ctx, sources, o)
	if s != nil {
		for _, note := range s.Warnings() {
			f.warn(note, note)
		}
	}
	return f
}

// load parses a configuration and compiles its templates.
func load(ctx context.Context, sources config.Sources, o Options) (*Snapshot, Findings) {
	var f Findings
	cfg, err := config.ParseContext(ctx, sources)
	f.Errors = each(err)
	if cfg == nil {
		return nil, f
	}
	if err != nil {
		f.Errors = append(f.Errors, templateErrors(ctx, cfg, o)...)
		return nil, f
	}
	s, err := CompileContext(ctx, cfg, o)
	if err != nil {
		f.Errors = each(err)
		return nil, f
	}
	return s, f
}

// templateErrors returns what is wrong with the templates of a configuration that
// cannot be used for other reasons.
func templateErrors(ctx context.Context, cfg *config.Config, o Options) (errs []error) {
	s := &Snapshot{config: cfg, options: o, templates: map[string]*render.Template{}}
	return each(s.compileTemplates(ctx, s.language(), render.Limits{}, nil))
}

// each returns the errors that an error joins.
func each(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// judge tries a configuration that could be compiled.
func (s *Snapshot) judge(ctx context.Context, f *Findings) {
	for _, note := range s.Warnings() {
		f.warn(note, note)
	}
	errs := each(s.Check(ctx))
	if len(errs) == len(samples()) {
		f.Errors = append(f.Errors, once(errs)...)
	} else if ctx.Err() == nil {
		// Real pods may have what the samples lack, so this is no reason to refuse.
		for _, err := range errs {
			public := err.Error()
			if e := (*sampleError)(nil); errors.As(err, &e) {
				public = e.Public()
			}
			const where = "a template fails on a sample pod: "
			f.warn(where+err.Error(), where+public)
		}
	}
	if err := ctx.Err(); err != nil {
		f.Errors = append(f.Errors, fmt.Errorf("trying the templates: %w", err))
	}
}

// once returns what is wrong with templates on every sample, each mistake once.
func once(errs []error) (out []error) {
	said := map[string]bool{}
	for _, err := range errs {
		text := err.Error()
		if e := (*sampleError)(nil); errors.As(err, &e) {
			text = e.err.Error()
		}
		if mistake := (*render.Error)(nil); errors.As(err, &mistake) {
			err = mistake
		}
		if !said[text] {
			said[text] = true
			out = append(out, err)
		}
	}
	return out
}
