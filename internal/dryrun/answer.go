package dryrun

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// verdict is what an answer of the API server means for the configuration.
type verdict int

const (
	accepted   verdict = iota
	invalid            // the pod is wrong, in every namespace
	refused            // this namespace does not let it in
	unanswered         // the API server cannot be asked
)

type answer struct {
	verdict  verdict
	problems []problem // of an invalid pod
	reason   string    // of a refusal
}

// problem is one thing that is wrong with a pod. The field is empty when the API
// server names none.
type problem struct{ field, reason string }

// judge tells what is wrong with the pod from what is about the namespace. By
// codes alone this cannot be told: webhooks choose their own, and a
// ValidatingAdmissionPolicy answers Invalid unless it says something else.
func judge(err error) answer {
	var status apierrors.APIStatus
	switch {
	case err == nil, apierrors.IsAlreadyExists(err):
		return answer{} // the name is looked at after the pod has been validated
	case !errors.As(err, &status):
		return answer{verdict: unanswered}
	}
	s := status.Status()
	switch {
	case noRight(err):
		return answer{verdict: unanswered}
	case byAdmission(err, s.Message):
		return answer{verdict: refused, reason: withoutPod(s.Message)}
	case apierrors.IsInvalid(err):
		return answer{verdict: invalid, problems: causes(s)}
	case apierrors.IsRequestEntityTooLargeError(err):
		return answer{verdict: invalid, problems: []problem{{reason: "the API server does not read a pod that large"}}}
	case s.Code == http.StatusBadRequest && strings.Contains(s.Message, decoding):
		_, reason, _ := strings.Cut(s.Message, decoding)
		return answer{verdict: invalid, problems: []problem{{reason: strings.TrimLeft(reason, ": ")}}}
	}
	// It answered, but not about the pod: it is overloaded, stops, does not know the
	// caller, or has no such namespace.
	return answer{verdict: unanswered}
}

// decoding is what the API server says of a body that makes no pod.
const decoding = "cannot be handled as a Pod"

// causes are what the API server says about single fields.
func causes(s metav1.Status) []problem {
	var out []problem
	if s.Details != nil {
		for _, c := range s.Details.Causes {
			out = append(out, problem{c.Field, c.Message})
		}
	}
	if len(out) == 0 {
		out = append(out, problem{reason: s.Message})
	}
	return out
}

// byAdmission reports whether something in the namespace refuses the pod, or could not
// be asked about it.
func byAdmission(err error, message string) bool {
	return apierrors.IsForbidden(err) ||
		strings.Contains(message, " is forbidden: ") || // whatever the code is
		strings.Contains(message, "admission webhook ") ||
		strings.Contains(message, "failed calling webhook ")
}

// noRight reports whether the authorizer refuses, not admission: it knows no pod
// yet, so it names the right.
func noRight(err error) bool {
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), `cannot create resource "pods"`)
}

// unknownFields reads the fields out of the error of strict decoding; false for any
// other error.
func unknownFields(err error) (fields []string, ok bool) {
	if !apierrors.IsBadRequest(err) || !strings.Contains(err.Error(), decoding) || !strings.Contains(err.Error(), "strict decoding error") {
		return nil, false
	}
	for _, m := range unknownField.FindAllStringSubmatch(err.Error(), -1) {
		if !slices.Contains(fields, m[1]) {
			fields = append(fields, m[1])
		}
	}
	return fields, true
}

var (
	unknownField = regexp.MustCompile(`unknown field "([^"]+)"`)
	index        = regexp.MustCompile(`\[\d+\]`)
	forbidden    = regexp.MustCompile(`^pods "[^"]*" is forbidden: `)
)

func withoutIndexes(field string) string { return index.ReplaceAllString(field, "") }

// withoutPod drops the name of the pod, so that one reason for many pods is one.
func withoutPod(message string) string { return forbidden.ReplaceAllString(message, "") }

// PodError is something that the API server finds wrong with an injected sample pod.
type PodError struct {
	Pod    string // the sample and its templates
	Field  string // as the API server names it; may be empty
	Reason string
}

func (e *PodError) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("%s: the API server refuses the injected pod: %s", e.Pod, e.Reason)
	}
	return fmt.Sprintf("%s: the API server refuses the injected pod: %s: %s", e.Pod, e.Field, e.Reason)
}

// CallError is why the API server could not be asked.
type CallError struct {
	Namespace string
	Err       error
}

func (e *CallError) Error() string {
	what := fmt.Sprintf("the injected sample pods were not tried by the API server in namespace %q", e.Namespace)
	switch {
	case noRight(e.Err):
		return fmt.Sprintf(`%s: the right to create pods there is missing (%v): grant it, or validate without the dry run`, what, e.Err)
	case apierrors.IsNotFound(e.Err):
		return fmt.Sprintf("%s: there is no such namespace: create it, or name another", what)
	case apierrors.IsUnauthorized(e.Err):
		return fmt.Sprintf("%s: it does not accept the credentials (%v)", what, e.Err)
	}
	cause := e.Err
	var call *url.Error
	if errors.As(cause, &call) {
		cause = call.Err // the address that it repeats has the whole query
	}
	return fmt.Sprintf("%s, which does not answer: %v", what, cause)
}

func (e *CallError) Unwrap() error { return e.Err }
