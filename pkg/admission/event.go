package admission

import (
	"fmt"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cut"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
)

// NotApplicable is the decision about everything that is not a pod being created:
// it is let in unchanged. The engine is not asked, so this is none of its codes.
const NotApplicable decide.Code = "not-applicable"

// Event reports the outcome of one call. Of the pod it holds names only, and each text
// is cut to a length that suits a log.
type Event struct {
	// HTTPStatus is the status of the HTTP answer. Unless it is 200 there was no
	// review to decide about; of what follows Peer, only Duration is set then.
	HTTPStatus int
	// Error is why no decision was made, or, for a decision that came from a
	// panic, that panic. Empty when all went well.
	Error string
	// Limit is the limit that turned the call away, whose [Rejection] was told before;
	// empty for all others.
	Limit string
	// Stack is the goroutine's stack after a panic; for logs only.
	Stack []byte
	// Peer is whoever sent the call, and Address where it came from, which is the same
	// for a caller without a certificate.
	Peer, Address string

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

// clip cuts the texts that a caller can make as long as he likes.
func (ev *Event) clip() {
	ev.Error, ev.Message = cut.Line(ev.Error, maxError), cut.Line(ev.Message, maxMessage)
	ev.Namespace, ev.Name = cut.Line(ev.Namespace, maxName), cut.Line(ev.Name, maxName)
	ev.OwnerKind, ev.OwnerName = cut.Line(ev.OwnerKind, maxName), cut.Line(ev.OwnerName, maxName)
	ev.Stack = ev.Stack[:min(len(ev.Stack), maxStack)]
	size := 0
	for i, t := range ev.Templates {
		if size += len(t) + 1; size > maxTemplates {
			ev.Templates = append(ev.Templates[:i:i], cut.Line(t, maxName), fmt.Sprintf("and %d more", len(ev.Templates)-i-1))
			break
		}
	}
}
