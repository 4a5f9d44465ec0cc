package decide

import (
	"errors"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// InjectKey is the label, and the annotation, by which a pod asks or declines.
const InjectKey = "sidecar.istio.io/inject"

// Settings are the part of a configuration that decides.
type Settings struct {
	// Classic selects the rules of the classic dialect.
	Classic bool
	// Enabled is the policy: whether a pod is injected that nothing else decides about.
	Enabled bool
	// Never and Always are the selectors by their index in the configuration.
	Never, Always []metav1.LabelSelector
}

// Rules are compiled [Settings]. They never change and may be used by any number
// of goroutines.
type Rules struct {
	classic bool
	policy  Decision
	never   []selector
	always  []selector
	// keys are the labels that selectors look at.
	keys map[string]bool
}

// Reads reports whether the decision depends on a label or an annotation of this name.
func (r *Rules) Reads(key string) bool { return key == InjectKey || r.keys[key] }

// selector holds the decision it leads to, so that deciding allocates no memory.
type selector struct {
	matches labels.Selector
	name    string
	text    string
	answer  Decision
}

// NewRules compiles the settings. The error names every selector that is not
// valid, by its index.
func NewRules(s Settings) (*Rules, error) {
	r := &Rules{classic: s.Classic}
	if s.Enabled {
		r.policy = Decision{PolicyEnabled, Inject, "policy is enabled and nothing excludes the pod", nil}
	} else {
		r.policy = Decision{PolicyDisabled, Skip, "policy is disabled and nothing asks for injection", nil}
	}
	var errs [2]error
	r.never, errs[0] = compile("neverInjectSelector", s.Never, NeverSelector, Skip)
	r.always, errs[1] = compile("alwaysInjectSelector", s.Always, AlwaysSelector, Inject)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	r.keys = map[string]bool{}
	for _, s := range slices.Concat(r.never, r.always) {
		requirements, _ := s.matches.Requirements()
		for _, q := range requirements {
			r.keys[q.Key()] = true
		}
	}
	return r, nil
}

func compile(field string, in []metav1.LabelSelector, code Code, outcome Outcome) ([]selector, error) {
	var out []selector
	var errs []error
	for i := range in {
		sel, err := metav1.LabelSelectorAsSelector(&in[i])
		if err != nil {
			errs = append(errs, fmt.Errorf("%s[%d]: %w", field, i, err))
			continue
		}
		// An empty selector would match every pod, which nobody intends.
		if sel.Empty() {
			continue
		}
		name := fmt.Sprintf("%s[%d]", field, i)
		out = append(out, selector{sel, name, sel.String(), Decision{
			Code: code, Outcome: outcome,
			Message: fmt.Sprintf("%s matches the pod's labels: %s", name, sel),
		}})
	}
	return out, errors.Join(errs...)
}
