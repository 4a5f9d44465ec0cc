package admission

import (
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
)

// NotApplicable is the decision about everything that is not a pod being
// created: let in untouched. The engine is not asked, so it is none of decide's
// codes.
const NotApplicable decide.Code = "not-applicable"

// Event says what became of one call. It holds no part of the pod but names.
type Event struct {
	// HTTPStatus is the status of the HTTP answer. With anything but 200 there
	// was no review to decide on, and Error says why.
	HTTPStatus int
	// Error is why no decision was made, or, for a decision that came from a
	// panic, that panic. Empty when all went well.
	Error string
	// Stack is the goroutine's stack after a panic; for logs only.
	Stack []byte

	// Decision is empty with an HTTPStatus other than 200.
	Decision decide.Code
	Outcome  decide.Outcome
	// Message is the decision in words.
	Message string
	// Namespace and Name of the pod; Name may be its generateName.
	Namespace, Name string
	// OwnerKind and OwnerName name the workload that the pod belongs to.
	OwnerKind, OwnerName string
	// UID of the request, which the API server's audit log has too.
	UID string
	// Templates that were rendered, in order.
	Templates []string
	// DryRun: nothing will be stored.
	DryRun bool
	// Duration from the call's arrival to the finished answer, the time to read
	// the body included.
	Duration time.Duration
}
