package admission

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cut"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
)

// Bounds of what is said about an object that is refused. Whoever wrote it reads the
// message in a terminal.
const (
	// maxVerdict is for the whole message: some screens.
	maxVerdict = 16 << 10
	// maxCause is for one cause, which may show some lines of the object.
	maxCause = 2 << 10
	// maxCauses is how many causes are told; the others are counted.
	maxCauses = 50
)

// Object is what an API server asks about an object that is no pod. Its texts refer
// to memory that is used again: nothing of them may be kept.
type Object struct {
	// Kind is the group, version and kind, as in "v1 ConfigMap" or "apps/v1 Deployment".
	Kind, SubResource string
	// Operation is CREATE, UPDATE, DELETE or CONNECT.
	Operation       string
	Namespace, Name string
	DryRun          bool
	// New and Old are the object as it is to be stored, and as it is, in JSON; nil
	// where there is none.
	New, Old []byte
}

// Verdict is the answer about an Object.
type Verdict struct {
	// Code names the decision in the audit annotation and the log. The object is let
	// in unless Refused is set.
	Code    decide.Code
	Refused bool
	// Message is the first line of a refusal, Causes are what follows it.
	Message string
	Causes  []Cause
	// Warnings are shown to whoever writes the object, who may read what is in it.
	Warnings []string
	// Public is what the log says of the decision: nothing of what is in the object.
	Public string
}

// Cause is one reason of a refusal.
type Cause struct {
	// Field of the object, as in "data.config".
	Field string
	// Message may have several lines.
	Message string
}

// ObjectConfig is for a handler of reviews of objects that are no pods. Judge and
// Observe are required; the others are those of [Config].
type ObjectConfig struct {
	// Judge decides about an object. When ctx ends, nobody waits for the verdict any
	// more.
	Judge func(ctx context.Context, o Object) Verdict
	// MaxBody is the largest body that is read, in bytes.
	MaxBody  int64
	Observe  func(Event)
	Limits   Limits
	Parallel int
	Peer     func(*http.Request) (name, address string)
	Rejected func(*Rejection)
}

// NewObjectHandler returns the handler of a webhook that validates objects. A call is
// taken in, limited and answered as one about a pod is. A panic refuses the object.
func NewObjectHandler(o ObjectConfig) http.Handler {
	h := newHandler(Config{Observe: o.Observe, Limits: o.Limits, Parallel: o.Parallel, Peer: o.Peer, Rejected: o.Rejected}, 1)
	h.room.maxBody, h.room.what = o.MaxBody, "configuration"
	h.cost = func([]byte) int64 { return 0 } // what the work takes is Judge's to bound
	h.handle = func(ctx context.Context, req *request, _ string) (response, Event) {
		return handleObject(ctx, req, o.Judge)
	}
	return h
}

func handleObject(ctx context.Context, req *request, judge func(context.Context, Object) Verdict) (resp response, ev Event) {
	ev = Event{UID: req.UID, Namespace: req.Namespace, Name: req.Name, DryRun: req.DryRun}
	defer func() {
		if p := recover(); p != nil {
			ev.Error, ev.Stack = fmt.Sprintf("panic: %v", p), stack()
			resp = panicked(req.UID, "object")
			ev.Message = resp.decision.Message
		}
		resp.UID = req.UID
		ev.Decision, ev.Outcome = resp.decision.Code, resp.decision.Outcome
		ev.clip()
	}()
	v := judge(ctx, Object{
		Kind: req.Kind.String(), SubResource: req.SubResource, Operation: req.Operation,
		Namespace: req.Namespace, Name: req.Name, DryRun: req.DryRun,
		New: req.Object.json(), Old: req.OldObject.json(),
	})
	ev.Message = v.Public
	resp = allowed(decide.Decision{Code: v.Code, Outcome: decide.Skip})
	if v.Refused {
		resp = invalid(req, v)
	}
	resp.Warnings = clipWarnings(v.Warnings)
	return resp, ev
}

// invalid keeps an object out and says why: in the message, which most clients show,
// and in the details, of which kubectl edit and kubectl apply show the causes alone.
func invalid(req *request, v Verdict) response {
	r := denied(decide.Decision{Code: v.Code, Outcome: decide.Refuse, Message: v.Message}, http.StatusUnprocessableEntity, "Invalid")
	r.Status.Details = &details{Name: cut.Line(req.Name, maxName), Kind: cut.Line(req.Kind.Kind, maxName)}
	lines := []string{r.Status.Message}
	size := len(r.Status.Message)
	for i, c := range v.Causes {
		text := clipLines(c.Message, maxCause)
		if size += len(text) + 1; i == maxCauses || size > maxVerdict {
			text = fmt.Sprintf("and %d more", len(v.Causes)-i)
			lines = append(lines, text)
			r.Status.Details.Causes = append(r.Status.Details.Causes, cause{Message: text})
			break
		}
		lines = append(lines, text)
		r.Status.Details.Causes = append(r.Status.Details.Causes, cause{Reason: "FieldValueInvalid", Message: text, Field: c.Field})
	}
	r.Status.Message = strings.Join(lines, "\n")
	return r
}

// clipLines returns at most so many bytes of a text of several lines.
func clipLines(s string, most int) string {
	var out []string
	for line := range strings.SplitSeq(s, "\n") {
		line = cut.Line(line, most)
		out = append(out, line)
		if most -= len(line) + 1; most <= 0 {
			break
		}
	}
	return strings.Join(out, "\n")
}
