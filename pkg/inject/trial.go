package inject

import (
	"bytes"
	"context"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podcheck"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/merge"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render"
)

// Trial is a sample pod as the configuration injects it.
type Trial struct {
	// Name is the sample's, and Templates are those that were rendered for it, in order.
	Name      string
	Templates []string
	// Usual is whether most pods are like it: what is wrong with every usual one is an
	// error of the configuration.
	Usual bool
	// Pod is the injected pod in JSON.
	Pod []byte
}

// Trials returns the sample pods as they are injected, whatever policy and selectors
// say, without those that cannot be: by the default templates, and plain ones by each
// other template. It ends early with ctx.
func (s *Snapshot) Trials(ctx context.Context) []Trial {
	var out []Trial
	add := func(sample *sample, templates []string) {
		a := s.attempt(ctx, sample, templates)
		if a.err != nil {
			return
		}
		if object, err := a.pod.MarshalJSON(); err == nil {
			out = append(out, Trial{Name: sample.name, Templates: a.templates, Usual: !sample.special, Pod: object})
		}
	}
	samples := s.samples()
	for _, sample := range samples {
		add(sample, nil)
	}
	for _, name := range s.otherTemplates() {
		add(samples[0], []string{name})
	}
	return out
}

// observer makes a request a trial of templates, and sees what they render.
type observer struct {
	// templates are rendered instead of those that the pod would get; nil: the latter.
	templates []string
	// otherNative turns the cluster's setting for native sidecars round.
	otherNative bool
	seen        []seen
}

// seen is what one template has rendered.
type seen struct {
	template string
	// text is kept where something in it is to be looked for.
	text []byte
	// overlay is what the text parses to; nil in the classic dialect.
	overlay *merge.Overlay
	// missing are the actions that have printed that a value is not there.
	missing []*render.Error
}

// see notes the text that a template has rendered for the data.
func (o *observer) see(ctx context.Context, t *render.Template, data any, text []byte, classic bool) {
	of := seen{template: t.Name()}
	missing := bytes.Contains(text, []byte(noValue))
	if classic || missing || wrongFormat.Match(text) {
		of.text = bytes.Clone(text)
	}
	if missing {
		if trace := t.Trace(ctx, new(render.Work), data); trace != nil {
			of.missing = trace.NoValues()
		}
	}
	o.seen = append(o.seen, of)
}

// parsed notes what the text seen last parses to.
func (o *observer) parsed(overlay *merge.Overlay) { o.seen[len(o.seen)-1].overlay = overlay }

// attempt is what became of one sample.
type attempt struct {
	sample    *sample
	templates []string
	// err is why it cannot be injected; pod is how it was.
	err  error
	pod  *podmodel.Pod
	seen []seen
	// refusals are why an API server refuses the injected pod, and images those that no
	// kubelet can read.
	refusals, images []podcheck.Problem
}

// attempt injects a sample with the templates, or, with nil, those that the pod gets by
// itself, whatever policy and selectors say.
func (s *Snapshot) attempt(ctx context.Context, sample *sample, templates []string) (a *attempt) {
	a = &attempt{sample: sample, templates: templates}
	defer func() {
		if r := recover(); r != nil {
			a.err = panicked(r)
		}
	}()
	r := s.newRequest(ctx, &Request{Namespace: sampleNamespace}, sample.pod)
	r.observer = &observer{templates: templates, otherNative: sample.otherNative}
	a.pod, a.err = r.inject()
	a.seen, a.templates = r.observer.seen, r.templates
	if a.err != nil {
		return a
	}
	a.refusals = podcheck.Added(sample.pod.Pod, a.pod.Pod)
	a.images = podcheck.AddedImages(sample.pod.Pod, a.pod.Pod)
	return a
}
