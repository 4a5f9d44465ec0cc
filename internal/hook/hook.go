// Package hook evaluates whether an API server would call a webhook for a pod, and
// why: the webhook's rules, selectors and match conditions, the latter with the
// API server's own evaluator.
package hook

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/cel/environment"
)

// Step is one thing that the API server looks at.
type Step struct {
	Check  string `json:"check"`
	Detail string `json:"found"`
	// Passed is false where the step keeps the webhook from being called.
	Passed bool `json:"passed"`
}

// Verdict says whether the webhook is called.
type Verdict struct {
	Webhook string `json:"webhook"`
	Called  bool   `json:"called"`
	Steps   []Step `json:"steps"`
}

// Namespace is where the pod is to be created. Labels are nil when nothing is
// known of them but the name, which is a label too.
type Namespace struct {
	Name   string
	Labels map[string]string
}

func (n Namespace) set() labels.Set {
	set := labels.Set{"kubernetes.io/metadata.name": n.Name}
	for k, v := range n.Labels {
		set[k] = v
	}
	return set
}

// Matcher evaluates webhooks. Making one costs some tens of milliseconds.
type Matcher struct {
	compiler cel.ConditionCompiler
}

// NewMatcher returns a matcher that knows what today's API servers know.
func NewMatcher() *Matcher {
	return &Matcher{cel.NewConditionCompiler(environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()))}
}

// Match reports whether the webhook is called when the pod, given as JSON, is
// created. All steps are told, also behind one that decides. The error is about a
// pod or a selector that cannot be read.
func (m *Matcher) Match(ctx context.Context, w *admissionv1.MutatingWebhook, ns Namespace, pod []byte) (Verdict, error) {
	v := Verdict{Webhook: w.Name, Called: true}
	add := func(check, found string, passed bool) {
		v.Steps = append(v.Steps, Step{Check: check, Detail: found, Passed: passed})
		v.Called = v.Called && passed
	}
	object := &unstructured.Unstructured{}
	if err := json.Unmarshal(pod, &object.Object); err != nil {
		return v, fmt.Errorf("pod: %w", err)
	}
	if !createsPods(w.Rules) {
		add("rules", "the creation of pods is not among them", false)
	}
	for _, s := range []struct {
		check    string
		selector *metav1.LabelSelector
		set      labels.Set
		of       string
	}{
		{"namespaceSelector", w.NamespaceSelector, ns.set(), fmt.Sprintf("namespace %q", ns.Name)},
		{"objectSelector", w.ObjectSelector, object.GetLabels(), "the pod"},
	} {
		found, passed, err := match(s.selector, s.set, s.of)
		if err != nil {
			return v, fmt.Errorf("webhook %q: %s: %w", w.Name, s.check, err)
		}
		add(s.check, found, passed)
	}
	for _, c := range w.MatchConditions {
		found, passed := m.condition(ctx, w, c, ns.Name, object)
		add(fmt.Sprintf("matchCondition %q", c.Name), found, passed)
	}
	return v, nil
}

func createsPods(rules []admissionv1.RuleWithOperations) bool {
	has := func(list []string, value string) bool {
		return slices.Contains(list, value) || slices.Contains(list, "*")
	}
	return slices.ContainsFunc(rules, func(r admissionv1.RuleWithOperations) bool {
		create := slices.Contains(r.Operations, admissionv1.Create) || slices.Contains(r.Operations, admissionv1.OperationAll)
		inScope := r.Scope == nil || *r.Scope != admissionv1.ClusterScope
		return create && inScope && has(r.APIGroups, "") && has(r.APIVersions, "v1") && (has(r.Resources, "pods") || slices.Contains(r.Resources, "*/*"))
	})
}

// match names the requirement that fails, or says that there is none.
func match(s *metav1.LabelSelector, set labels.Set, of string) (found string, passed bool, err error) {
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return "", false, err
	}
	if s == nil || selector.Empty() {
		return "asks for nothing", true, nil
	}
	requirements, _ := selector.Requirements()
	for _, r := range requirements {
		if !r.Matches(set) {
			has := "does not have that label"
			if value, ok := set[r.Key()]; ok {
				has = fmt.Sprintf("has %s=%s", r.Key(), value)
			}
			return fmt.Sprintf("asks for %s, %s %s", r.String(), of, has), false, nil
		}
	}
	return fmt.Sprintf("%s has what it asks for: %s", of, selector), true, nil
}

// condition evaluates one match condition. One that cannot be evaluated counts
// as the failure policy says: Ignore passes the webhook by, Fail refuses the pod.
func (m *Matcher) condition(ctx context.Context, w *admissionv1.MutatingWebhook, c admissionv1.MatchCondition, namespace string, pod *unstructured.Unstructured) (string, bool) {
	evaluator := m.compiler.CompileCondition(
		[]cel.ExpressionAccessor{&matchconditions.MatchCondition{Name: c.Name, Expression: c.Expression}},
		cel.OptionalVariableDeclarations{HasAuthorizer: true}, environment.StoredExpressions)
	fail := admissionv1.Fail // so that an error is an answer of its own
	kind := schema.GroupVersionKind{Version: "v1", Kind: "Pod"}
	resource := schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	attributes := &admission.VersionedAttributes{
		Attributes: admission.NewAttributesRecord(pod, nil, kind, namespace, pod.GetName(), resource, "",
			admission.Create, &metav1.CreateOptions{}, false, &user.DefaultInfo{Name: "system:anonymous"}),
		VersionedKind:   kind,
		VersionedObject: admission.NewLazyObject(pod),
	}
	result := matchconditions.NewMatcher(evaluator, &fail, "webhook", "admit", w.Name).Match(ctx, attributes, nil, nil)
	switch {
	case result.Error != nil && w.FailurePolicy != nil && *w.FailurePolicy == admissionv1.Ignore:
		return fmt.Sprintf("cannot be evaluated, so the webhook is passed by: %v", result.Error), false
	case result.Error != nil:
		return fmt.Sprintf("cannot be evaluated, so the pod is refused: %v", result.Error), false
	case !result.Matches:
		return "is false: " + c.Expression, false
	}
	return "is true", true
}
