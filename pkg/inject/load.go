package inject

import (
	"context"
	"errors"

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
	_, f := load(ctx, sources, o)
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
	s, err := compile(ctx, cfg, o, render.Limits{})
	if err != nil {
		f.Errors = each(err)
		return nil, f
	}
	for _, note := range cfg.Notes {
		f.warn(note, note)
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
