package decide

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cut"
)

// Input is what the decision about one pod depends on.
type Input struct {
	// Namespace is the pod's own, or the request's when the pod has none.
	Namespace string
	// HostNetwork is spec.hostNetwork.
	HostNetwork         bool
	Labels, Annotations map[string]string
	// Trace asks for [Decision.Trace]. Without it, deciding allocates no memory.
	Trace bool
}

// Pod decides about a pod. The checks are made in the order of the truth table,
// and the first that applies decides.
func Pod(r *Rules, in Input) Decision {
	var t *trace
	if in.Trace {
		t = new(trace)
	}
	d := r.decide(&in, t)
	if t != nil {
		d.Trace = t.steps
	}
	return d
}

func (r *Rules) decide(in *Input, t *trace) Decision {
	if in.HostNetwork {
		t.add("spec.hostNetwork", "true: never injected")
		return Decision{HostNetwork, Skip, "the pod uses the node's network, where redirecting traffic would hit the whole node", nil}
	}
	t.add("spec.hostNetwork", "false")
	// The arguments of a call with formatting are allocated even if there is no
	// trace; that is why such calls are made on a condition, here and below.
	if r.system(in.Namespace) {
		if t != nil {
			t.add("namespace", "%s is a system namespace: never injected", in.Namespace)
		}
		return Decision{SystemNamespace, Skip, "pods of system namespaces are never injected", nil}
	}
	if t != nil {
		t.add("namespace", "%s is not a system namespace", orNone(in.Namespace))
	}
	if d, ok := r.asked(in, t); ok {
		return d
	}
	set := labels.Set(in.Labels)
	if d, ok := match(r.never, set, "neverInjectSelector", t); ok {
		return d
	}
	if d, ok := match(r.always, set, "alwaysInjectSelector", t); ok {
		return d
	}
	if t != nil {
		t.add("policy", "%s", strings.TrimPrefix(string(r.policy.Code), "policy-"))
	}
	return r.policy
}

// system reports whether pods of a namespace are never injected. The current
// dialect knows more such namespaces than the classic one.
func (r *Rules) system(namespace string) bool {
	switch namespace {
	case "kube-system", "kube-public":
		return true
	case "kube-node-lease", "local-path-storage":
		return !r.classic
	}
	return false
}

// asked decides by the pod's own label or annotation, if it has one.
func (r *Rules) asked(in *Input, t *trace) (Decision, bool) {
	if r.classic {
		return askedClassic(in, t)
	}
	value, ok := in.Labels[InjectKey]
	kind, yes, no := "label", LabelTrue, LabelFalse
	if !ok {
		t.add("label "+InjectKey, "not set")
		value, ok = in.Annotations[InjectKey]
		kind, yes, no = "annotation", AnnotationTrue, AnnotationFalse
	}
	if !ok {
		t.add("annotation "+InjectKey, "not set")
		return Decision{}, false
	}
	switch value {
	case "true":
		if t != nil {
			t.add(kind+" "+InjectKey, `"true": the pod asks for injection`)
		}
		return Decision{yes, Inject, messageAsks(kind), nil}, true
	case "false":
		if t != nil {
			t.add(kind+" "+InjectKey, `"false": the pod declines`)
		}
		return Decision{no, Skip, messageDeclines(kind), nil}, true
	case "":
		if t != nil {
			t.add(kind+" "+InjectKey, "empty: decides nothing")
		}
	default:
		if t != nil {
			t.add(kind+" "+InjectKey, `%.60q is neither "true" nor "false": decides nothing`, value)
		}
	}
	return Decision{}, false
}

// askedClassic takes YAML's true values, in upper or lower case, for a yes and
// every other value for a no.
func askedClassic(in *Input, t *trace) (Decision, bool) {
	value, ok := in.Annotations[InjectKey]
	switch {
	case !ok:
		t.add("annotation "+InjectKey, "not set")
		return Decision{}, false
	case value == "":
		t.add("annotation "+InjectKey, "empty: decides nothing")
		return Decision{}, false
	case yes(value):
		if t != nil {
			t.add("annotation "+InjectKey, "%.60q: the pod asks for injection", value)
		}
		return Decision{AnnotationTrue, Inject, messageAsks("annotation"), nil}, true
	}
	if t != nil {
		t.add("annotation "+InjectKey, "%.60q: the pod declines", value)
	}
	return Decision{AnnotationFalse, Skip, messageDeclines("annotation"), nil}, true
}

func yes(value string) bool {
	for _, y := range [...]string{"true", "yes", "on", "y"} {
		if strings.EqualFold(value, y) {
			return true
		}
	}
	return false
}

func messageAsks(kind string) string {
	if kind == "label" {
		return "the pod asks for injection by its label " + InjectKey
	}
	return "the pod asks for injection by its annotation " + InjectKey
}

func messageDeclines(kind string) string {
	if kind == "label" {
		return "the pod declines injection by its label " + InjectKey
	}
	return "the pod declines injection by its annotation " + InjectKey
}

func match(list []selector, set labels.Set, field string, t *trace) (Decision, bool) {
	for i := range list {
		s := &list[i]
		if s.matches.Matches(set) {
			if t != nil {
				t.add(s.name, "%s matches", s.text)
			}
			return s.answer, true
		}
		if t != nil {
			t.add(s.name, "%s does not match", s.text)
		}
	}
	if len(list) == 0 {
		t.add(field, "none")
	}
	return Decision{}, false
}

// trace collects steps; a nil trace ignores them.
// maxDetail is the length of a step's detail in bytes, which may show text of the pod.
const maxDetail = 500

type trace struct{ steps []Step }

func (t *trace) add(check, format string, args ...any) {
	if t != nil {
		t.steps = append(t.steps, Step{check, cut.Line(fmt.Sprintf(format, args...), maxDetail)})
	}
}

func orNone(s string) string {
	if s == "" {
		return "(none given)"
	}
	return s
}
