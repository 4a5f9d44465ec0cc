package inject

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
)

// judge tries a configuration that could be compiled. What is wrong with it for every
// usual pod is an error; for some, a warning.
func (s *Snapshot) judge(ctx context.Context, f *Findings) {
	j := &judge{s: s, ctx: ctx, found: f, said: map[string]bool{}}
	j.defaults()
	for _, name := range s.otherTemplates() {
		if j.cost > maxCost {
			j.untried = append(j.untried, name)
			continue
		}
		j.other(name)
	}
	if n := len(j.untried); n > 0 {
		text := fmt.Sprintf("%d templates were not tried, from %q on: trying all of them on sample pods would take too long", n, j.untried[0])
		f.warn(text, text)
	}
	if err := ctx.Err(); err != nil {
		f.Errors = append(f.Errors, j.over(err))
	}
}

type judge struct {
	s     *Snapshot
	ctx   context.Context
	found *Findings
	said  map[string]bool // texts
	// last is what was tried last.
	last string
	// cost is what the attempts so far have cost, by estimate.
	cost int
	// untried are the templates that would have cost too much.
	untried []string
}

// An attempt costs one for each costUnit bytes of its templates' text, and of the chart
// values, which any template may go through: a tenth of a millisecond or a few of them. It is
// estimated, not measured, so that a busy machine finds the same.
const (
	costUnit = 16 << 10
	// maxCostOfAll is what attempts with all samples may cost: 20 templates of 40 KiB, or 50
	// small ones. Then each template is tried on the first sample alone.
	maxCostOfAll = 500
	// maxCost is what all attempts may cost: with the largest values that there may be, two
	// or three seconds, of the ten that a loading has. Other templates are not tried.
	maxCost = 1000
)

// costOf estimates what one attempt with a template costs.
func (j *judge) costOf(templates []string) int {
	bytes := j.s.config.ValuesLength()
	for _, name := range templates {
		bytes += len(j.s.config.Templates[name])
	}
	return 1 + bytes/costUnit
}

// try makes an attempt with each sample. It ends early with the context, or when it costs
// too much.
func (j *judge) try(templates []string, samples []*sample) (out []*attempt) {
	cost := j.costOf(templates)
	for _, sample := range samples {
		if j.ctx.Err() != nil || j.cost > maxCostOfAll && len(out) > 0 {
			break
		}
		j.cost += cost
		j.last = fmt.Sprintf("the default templates on the sample pod %q", sample.name)
		if templates != nil {
			j.last = fmt.Sprintf("template %q on the sample pod %q", templates[len(templates)-1], sample.name)
		}
		out = append(out, j.s.attempt(j.ctx, sample, templates))
	}
	return out
}

// over is the error of a trial whose time is over.
func (j *judge) over(err error) error {
	return &trialError{problem: "the time was over while trying " + j.last + ": a template computes too much, or there are too many", cause: err}
}

// defaults judges the default templates, together, as usual pods get them.
func (j *judge) defaults() {
	attempts := j.try(nil, j.s.samples())
	every, some := j.mistakes(attempts)
	j.tell(every, true)
	j.fields(attempts)
	j.tell(some, false)
}

// otherTemplates are those that a pod gets only if it names them.
func (s *Snapshot) otherTemplates() []string {
	chosen, err := s.selectTemplates(nil)
	if err != nil {
		return nil // which the trial of the default templates tells
	}
	return slices.DeleteFunc(s.TemplateNames(), func(name string) bool { return slices.Contains(chosen, name) })
}

// other judges a template that pods name: alone, after the default ones, in each alias
// that names it, and as the configuration's own sample pods name it. One of these must
// work.
func (j *judge) other(name string) {
	if j.notForPods(name) {
		return
	}
	var alone []*attempt
	var least, some mistakes
	for i, templates := range j.s.combinations(name) {
		attempts := j.try(templates, j.samplesFor(name))
		if len(attempts) == 0 {
			return
		}
		if i == 0 {
			alone = attempts
		}
		every, others := j.mistakes(attempts)
		if len(every) == 0 {
			j.fields(alone)
			j.tell(others, false)
			return
		}
		if i == 0 || len(every) < len(least) {
			least, some = every, others
		}
	}
	// Of a template that was tried on the first sample alone, nobody knows what it does to
	// others.
	j.tell(least, len(alone) > 1)
	j.fields(alone)
	j.tell(some, false)
}

// samplesFor are the samples for a template that pods name: the configuration's own that
// name templates count only if they name this one.
func (j *judge) samplesFor(name string) []*sample {
	var out []*sample
	for _, sample := range j.s.samples() {
		if list, chooses := sample.pod.Annotations[templatesKey]; !chooses {
			out = append(out, sample)
		} else if chosen, err := j.s.selectTemplates(map[string]string{templatesKey: list}); err == nil && slices.Contains(chosen, name) {
			own := *sample
			own.special = false
			out = append(out, &own)
		}
	}
	return out
}

// combinations are the lists of templates in which pods may use one.
func (s *Snapshot) combinations(name string) [][]string {
	out := [][]string{{name}}
	if chosen, err := s.selectTemplates(nil); err == nil {
		out = append(out, append(chosen, name))
	}
	for _, alias := range s.aliasesOf(name) {
		out = append(out, s.config.Aliases[alias])
	}
	return out
}

// aliasesOf are the aliases that name a template and no unknown one, sorted.
func (s *Snapshot) aliasesOf(name string) (out []string) {
	for alias, list := range s.config.Aliases {
		unknown := slices.ContainsFunc(list, func(n string) bool { return s.templates[n] == nil })
		if slices.Contains(list, name) && !unknown && len(list) <= maxTemplates {
			out = append(out, alias)
		}
	}
	slices.Sort(out)
	return out[:min(len(out), maxTriedAliases)]
}

// maxTriedAliases is how many of the aliases that name a template it is tried in.
const maxTriedAliases = 5

// anotherKind matches the line by which a template makes another object than a pod.
var anotherKind = regexp.MustCompile(`(?m)^kind: *"?([A-Z][A-Za-z]+)"?\s*$`)

// notForPods reports whether a template makes other objects than pods: configurations of
// meshes hold templates of gateways, which their own controller renders with other data.
// Nothing but a pod's own annotation leads there.
func (j *judge) notForPods(name string) bool {
	match := anotherKind.FindStringSubmatch(j.s.config.Templates[name])
	if match == nil || match[1] == "Pod" || j.s.strict() || len(j.s.aliasesOf(name)) > 0 {
		return false
	}
	text := fmt.Sprintf("%stemplate %q: makes a %s, not a pod, so it was not tried; pods that name it are refused", prefix(j.s.placeOf(name, match[0])), name, match[1])
	j.found.warn(text, text)
	return true
}

// strict reports whether fields that Kubernetes does not have are errors.
func (s *Snapshot) strict() bool { return s.config.FieldValidation == config.FieldValidationStrict }

// mistakes are errors by what they say, without the samples they are about.
type mistakes map[string]*mistake

type mistake struct {
	err     finding
	samples []string
	order   int
}

// keyOf is what two findings have in common that are of one mistake: what is said but for
// the value, which may come from the sample in part.
func keyOf(f finding) string {
	if output := (*outputError)(nil); errors.As(f, &output) {
		return output.mistake()
	}
	if e := (*trialError)(nil); errors.As(f, &e) && e.public != "" {
		return e.describe(e.path, e.public)
	}
	return f.Error()
}

// finding is an error that has a form without what the configuration holds.
type finding interface {
	error
	Public() string
}

// mistakes returns what is wrong on every usual sample, and on some. Where every one
// fails, each for a reason of its own, all of these are.
func (j *judge) mistakes(attempts []*attempt) (every, some mistakes) {
	all, every, some := mistakes{}, mistakes{}, mistakes{}
	usual, failed := 0, 0
	count := map[string]int{}
	for _, a := range attempts {
		if errors.Is(a.err, context.Canceled) || errors.Is(a.err, context.DeadlineExceeded) {
			continue // said once, for all
		}
		errs := j.s.mistakesOf(a)
		for _, err := range errs {
			key := keyOf(err)
			if all[key] == nil {
				all[key] = &mistake{err: err, order: len(all)}
			}
			all[key].samples = append(all[key].samples, a.sample.name)
			if !a.sample.special {
				count[key]++
			}
		}
		if !a.sample.special {
			usual++
			if len(errs) > 0 {
				failed++
			}
		}
	}
	for key, m := range all {
		if usual > 0 && count[key] == usual {
			every[key] = m
		} else {
			some[key] = m
		}
	}
	if len(every) == 0 && failed == usual {
		for key := range count {
			every[key] = some[key]
			delete(some, key)
		}
	}
	return every, some
}

// tell says mistakes, each once, in the order in which they were found.
func (j *judge) tell(list mistakes, refused bool) {
	sorted := make([]*mistake, 0, len(list))
	for _, m := range list {
		sorted = append(sorted, m)
	}
	slices.SortFunc(sorted, func(a, b *mistake) int { return a.order - b.order })
	for _, m := range sorted {
		key := keyOf(m.err)
		if j.said[key] {
			continue
		}
		j.said[key] = true
		if refused {
			j.found.Errors = append(j.found.Errors, m.err)
			continue
		}
		where := " (on the sample pod " + strings.Join(quoted(m.samples), ", ") + ", not on every one)"
		j.found.warn(m.err.Error()+where, m.err.Public()+where)
	}
}

// maxNamedSamples is how many samples a warning names.
const maxNamedSamples = 3

func quoted(names []string) (out []string) {
	for _, name := range names[:min(len(names), maxNamedSamples)] {
		out = append(out, fmt.Sprintf("%q", name))
	}
	if more := len(names) - maxNamedSamples; more > 0 {
		out = append(out, fmt.Sprintf("%d more", more))
	}
	return out
}
