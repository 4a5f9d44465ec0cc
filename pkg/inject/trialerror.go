package inject

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cut"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/podcheck"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render"
)

// trialError is what is wrong with what a template renders.
type trialError struct {
	place    config.Place // in the template's file; may be empty
	template string       // may be empty
	// path is where in the pod, and number the same without names that the template gives.
	path, number string
	// problem may show what the template renders; public does not.
	problem, public string
	cause           error
}

func (e *trialError) Error() string { return e.describe(e.path, e.problem) }

// Public is the error for readers who have not got the configuration.
func (e *trialError) Public() string {
	if e.public == "" {
		return e.describe(e.number, e.problem)
	}
	return e.describe(e.number, e.public)
}

func (e *trialError) Unwrap() error { return e.cause }

func (e *trialError) describe(path, problem string) string {
	s := prefix(e.place)
	if e.template != "" {
		s += fmt.Sprintf("template %q: ", e.template)
	}
	if path != "" {
		s += path + ": "
	}
	return s + problem
}

// prefix is a place as messages begin with it.
func prefix(place config.Place) string {
	if place.File == "" {
		return ""
	}
	return place.String() + ": "
}

// mistakesOf are why the sample cannot be injected, or cannot run once it is.
func (s *Snapshot) mistakesOf(a *attempt) (out []finding) {
	if a.err != nil {
		return []finding{s.failure(a)}
	}
	for _, p := range a.refusals {
		if !s.maybeMeant(a, p) {
			out = append(out, s.refused(a, p, "API servers refuse it")...)
		}
	}
	for _, p := range a.images {
		if s.strict() || !onlyCapitals(p.Value) {
			out = append(out, s.refused(a, p, unreadable)...)
		}
	}
	return out
}

// refused is why an injected pod does not run: the value that is not there, where that is
// the reason.
func (s *Snapshot) refused(a *attempt, p podcheck.Problem, who string) (out []finding) {
	e := s.refusal(a, p, who)
	if strings.Contains(p.Value, noValue) {
		for _, of := range a.seen {
			if of.template == e.template {
				for _, missing := range of.missing {
					out = append(out, missing)
				}
			}
		}
	}
	if out == nil {
		out = append(out, e)
	}
	return out
}

// unreadable says of an image that its container never starts.
const unreadable = "no kubelet can read it"

// onlyCapitals reports whether an image would be readable in small letters. Configurations
// that come from elsewhere have such names for tests, in which nothing is pulled.
func onlyCapitals(image string) bool {
	return podcheck.Image(strings.ToLower(image)) == ""
}

// capitals are the images that are not readable for capital letters alone, where these are
// no mistake that refuses a configuration.
func (s *Snapshot) capitals(a *attempt) (out []*trialError) {
	for _, p := range a.images {
		if !s.strict() && onlyCapitals(p.Value) {
			out = append(out, s.refusal(a, p, unreadable))
		}
	}
	return out
}

// failure is why a sample cannot be injected.
func (s *Snapshot) failure(a *attempt) finding {
	var mistake *render.Error
	if errors.As(a.err, &mistake) {
		return mistake
	}
	var output *outputError
	if errors.As(a.err, &output) {
		return output
	}
	e := &trialError{problem: a.err.Error(), public: "the rendered templates do not make a pod", cause: a.err}
	for _, name := range a.templates {
		if strings.Contains(e.problem, fmt.Sprintf("template %q", name)) {
			e.place, e.public = s.placeOf(name), fmt.Sprintf("template %q: %s", name, e.public)
			break
		}
	}
	return e
}

// maybeMeant reports whether what is wrong with an object may be right by an additional
// field in it, which nothing is known of.
func (s *Snapshot) maybeMeant(a *attempt, p podcheck.Problem) bool {
	return slices.ContainsFunc(a.pod.Unknown.List(), func(u podmodel.Unknown) bool {
		return strings.HasPrefix(u.Path, p.Path+".") && slices.Contains(s.config.AdditionalFields, u.Plain)
	})
}

// refusal is why an injected pod does not run. Some say what of it does not.
func (s *Snapshot) refusal(a *attempt, p podcheck.Problem, who string) *trialError {
	e := &trialError{path: p.Path, number: p.Place, public: who + ": " + p.Text}
	e.problem = e.public
	if p.Value != "" {
		e.problem = fmt.Sprintf("invalid value %s, %s: %s", cut.Quote(p.Value, shownValue), who, p.Text)
	}
	e.template = a.rendererOf(p.Path)
	needles := []string{p.Value}
	if element := elementOf(p.Path); element != "" {
		needles = append(needles, element)
	}
	e.place = s.placeOf(e.template, needles...)
	return e
}

// elementOf is the name of the innermost element of a list in a path.
func elementOf(path string) string {
	i, j := strings.LastIndexByte(path, '['), strings.LastIndexByte(path, ']')
	if i < 0 || j < i {
		return ""
	}
	return path[i+1 : j]
}

// rendererOf is the template that has rendered the element of a pod's list that a path
// leads through; the first one where none has.
func (a *attempt) rendererOf(path string) string {
	for _, of := range slices.Backward(a.seen) {
		if len(a.seen) == 1 {
			return of.template
		}
		alone := newPod()
		if of.overlay == nil || of.overlay.Apply(alone) != nil {
			continue
		}
		for _, list := range []struct {
			path  string
			names []string
		}{
			{"spec.containers", containerNames(alone.Spec.Containers)}, {"spec.initContainers", containerNames(alone.Spec.InitContainers)}, {"spec.volumes", volumeNames(alone.Spec.Volumes)},
		} {
			if slices.ContainsFunc(list.names, func(name string) bool { return strings.HasPrefix(path, list.path+"["+name+"]") }) {
				return of.template
			}
		}
	}
	if len(a.templates) == 0 {
		return ""
	}
	return a.templates[0]
}
