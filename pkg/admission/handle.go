package admission

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cut"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

// handlePod answers a review's request and reports on it. It never panics: a panic
// below denies this one pod, because a pod let in without its sidecar may do more
// harm than one that its owner sees denied. Nothing here waits; ctx ends the
// engine's work when nobody wants its answer any more.
func (h *handler) handlePod(ctx context.Context, req *request, path string) (resp response, ev Event) {
	ev = Event{UID: req.UID, Namespace: req.Namespace, Name: req.Name, DryRun: req.DryRun}
	defer func() {
		if p := recover(); p != nil {
			ev.Error, ev.Stack = fmt.Sprintf("panic: %v", p), stack()
			resp = panicked(req.UID, "pod")
		}
		resp.UID = req.UID
		ev.Decision, ev.Outcome, ev.Message = resp.decision.Code, resp.decision.Outcome, resp.decision.Message
		ev.clip()
	}()
	if !req.createsPod() {
		return allowed(decide.Decision{
			Code:    NotApplicable,
			Outcome: decide.Skip,
			Message: cut.Line(req.what(), maxName) + " is not a pod being created: let in untouched, the webhook's rules need not name it",
		}), ev
	}
	if req.Object.missing() {
		return denied(decide.Decision{
			Code:    decide.BadRequest,
			Outcome: decide.Refuse,
			Message: "the AdmissionReview has no pod: set field request.object",
		}, http.StatusBadRequest, "BadRequest"), ev
	}
	engine := h.cfg.Engine()
	if engine == nil {
		return denied(decide.Decision{
			Code:    decide.BadRequest,
			Outcome: decide.Refuse,
			Message: "the sidecar injector has no good configuration: its readiness check and its log say why; the pod can be created when that is mended",
		}, http.StatusServiceUnavailable, "ServiceUnavailable"), ev
	}
	result := engine.Inject(ctx, inject.Request{Object: req.Object.text, Namespace: req.Namespace, Path: path})
	ev.addResult(&result)
	var bug *inject.PanicError
	switch {
	case errors.As(result.Err, &bug):
		ev.Error, ev.Stack = fmt.Sprintf("panic: %v", bug.Value), bug.Stack
		resp = panicked(req.UID, "pod")
	case result.Decision.Outcome == decide.Refuse:
		resp = refused(result.Decision)
	default:
		resp = patched(result.Decision, result.Patch)
	}
	resp.AuditAnnotations.Templates = cut.Line(strings.Join(result.Templates, ","), maxTemplates)
	resp.AuditAnnotations.ConfigHash = engine.Hash()
	resp.Warnings = clipWarnings(result.Warnings)
	return resp, ev
}

// panicked answers for a pod, or another object, at which the injector failed. What the
// panic says may hold parts of it, so it goes into the log alone.
func panicked(uid, what string) response {
	return refused(decide.Decision{
		Code:    decide.Internal,
		Outcome: decide.Refuse,
		Message: "the sidecar injector failed on this " + what + ", which is a fault of its own: its log has the details under this request's uid " + cut.Line(uid, maxQuoted),
	})
}

// addResult adds what the engine knows of the pod. A pod may have a name or a
// namespace that the request does not have.
func (ev *Event) addResult(r *inject.Result) {
	if r.Name != "" {
		ev.Name = r.Name
	}
	if r.Namespace != "" {
		ev.Namespace = r.Namespace
	}
	ev.OwnerKind, ev.OwnerName = r.Workload.TypeMeta.Kind, r.Workload.ObjectMeta.Name
	ev.Templates = r.Templates
}
