package decide

// Code names the reason that decided. Dashboards and alerts select on codes, so
// their spelling never changes.
type Code string

// The truth table. The first row that applies, from the top, decides.
const (
	HostNetwork     Code = "host-network"     // no: the pod uses the node's network
	SystemNamespace Code = "system-namespace" // no: kube-system and its like

	LabelTrue       Code = "label-true"       // yes: the pod asks for it
	LabelFalse      Code = "label-false"      // no: the pod declines
	AnnotationTrue  Code = "annotation-true"  // yes: the pod asks for it
	AnnotationFalse Code = "annotation-false" // no: the pod declines

	NeverSelector  Code = "never-selector"  // no: neverInjectSelector[i] matches
	AlwaysSelector Code = "always-selector" // yes: alwaysInjectSelector[i] matches

	PolicyEnabled  Code = "policy-enabled"  // yes: nothing said otherwise
	PolicyDisabled Code = "policy-disabled" // no: nothing asked for it

	// A pod that was to be injected, or could not be read, and is refused.
	InvalidAnnotation Code = "invalid-annotation"
	UnknownTemplate   Code = "unknown-template"
	TemplateError     Code = "template-error"
	MergeError        Code = "merge-error"
	BadRequest        Code = "bad-request"
	PodInvalid        Code = "pod-invalid"
	LimitExceeded     Code = "limit-exceeded"    // the pod holds more than is taken from one pod
	DeadlineExceeded  Code = "deadline-exceeded" // the time for the answer was over, or the caller had gone
	NotAllowed        Code = "not-allowed"       // the pod asks for what the configuration does not allow it
	Internal          Code = "internal-error"    // a bug of ours, never the pod's fault
)

// Outcome is what happens to the pod.
type Outcome int

// The three outcomes.
const (
	Skip   Outcome = iota // let in as it is
	Inject                // let in with the sidecars
	Refuse                // not let in
)

// Step is one check that was made on the way to a decision.
type Step struct {
	// Check names what was looked at, for example `label sidecar.istio.io/inject`.
	Check string `json:"check"`
	// Detail is what was found there and what follows from it.
	Detail string `json:"found"`
}

// Decision is the answer for one pod.
type Decision struct {
	Code    Code    `json:"code"`
	Outcome Outcome `json:"-"`
	Message string  `json:"sentence"`
	Trace   []Step  `json:"trace,omitempty"`
}
