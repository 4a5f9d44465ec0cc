package admission

import (
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
)

// NotApplicable is the decision about everything that is not a pod being created:
// it is let in unchanged. The engine is not asked, so this is none of its codes.
const NotApplicable decide.Code = "not-applicable"

// Event reports the outcome of one call. Of the pod it holds names only.
type Event struct {
	// HTTPStatus is the status of the HTTP answer. Unless it is 200 there was no
	// review to decide about; then only Error and Duration are set.
	HTTPStatus int
	// Error is why no decision was made, or, for a decision that came from a
	// panic, that panic. Empty when all went well.
	Error string
	// Stack is the goroutine's stack after a panic; for logs only.
	Stack []byte

	// Decision, Outcome and Message are those of the decision about the pod.
	Decision decide.Code
	Outcome  decide.Outcome
	Message  string
	// Namespace and Name of the pod; Name may be its generateName.
	Namespace, Name string
	// OwnerKind and OwnerName name the workload that the pod belongs to.
	OwnerKind, OwnerName string
	// UID of the request; the API server's audit log has it too.
	UID string
	// Templates that were rendered, in order.
	Templates []string
	// DryRun is set when the API server will not store the pod.
	DryRun bool
	// Duration from the call's arrival to the finished answer, which includes the
	// time to read the body.
	Duration time.Duration
}
