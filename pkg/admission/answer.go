package admission

import (
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

// decideReview answers a review and fills in what the event says about it. It
// never panics: a panic below is a refusal of this one pod, because a pod let in
// without its sidecar may be worse than one that its owner sees refused.
func (h *handler) decideReview(r *review, path string, ev *Event) (resp response) {
	req := r.Request
	ev.UID, ev.Namespace, ev.Name, ev.DryRun = req.UID, req.Namespace, req.Name, req.DryRun
	defer func() {
		if p := recover(); p != nil {
			ev.Error, ev.Stack = fmt.Sprintf("panic: %v", p), debug.Stack()
			resp = refusal(req.UID, ev, decide.Decision{
				Code:    decide.PodInvalid,
				Outcome: decide.Refuse,
				Message: "the sidecar injector failed on this pod, which is a fault of its own: its log has the details under this request's uid " + clip(req.UID),
			}, http.StatusInternalServerError, "InternalError")
		}
	}()
	if !req.podCreated() {
		ev.Decision, ev.Outcome = NotApplicable, decide.Skip
		ev.Message = fmt.Sprintf("%s is not a pod being created: let in untouched, the webhook's rules need not name it", clip(req.what()))
		return response{UID: req.UID, Allowed: true, AuditAnnotations: map[string]string{"decision": string(NotApplicable)}}
	}
	if len(req.Object) == 0 || string(req.Object) == null {
		return refusal(req.UID, ev, decide.Decision{
			Code:    decide.BadRequest,
			Outcome: decide.Refuse,
			Message: "the AdmissionReview has no pod: set field request.object",
		}, http.StatusBadRequest, "BadRequest")
	}
	engine := h.cfg.Engine()
	if engine == nil {
		return refusal(req.UID, ev, decide.Decision{
			Code:    decide.BadRequest,
			Outcome: decide.Refuse,
			Message: "the sidecar injector has no configuration yet: try again",
		}, http.StatusServiceUnavailable, "ServiceUnavailable")
	}
	result := engine.Inject(inject.Request{Object: req.Object, Namespace: req.Namespace, Path: path})
	return h.respond(req, engine, result, ev)
}

// respond turns the engine's result into a response.
func (h *handler) respond(req *request, engine Engine, result inject.Result, ev *Event) response {
	if result.Name != "" {
		ev.Name = result.Name
	}
	if result.Namespace != "" {
		ev.Namespace = result.Namespace
	}
	ev.OwnerKind, ev.OwnerName = result.Workload.TypeMeta.Kind, result.Workload.ObjectMeta.Name
	ev.Templates = result.Templates

	var resp response
	if result.Decision.Outcome == decide.Refuse {
		code, reason := refusalStatus(result.Decision.Code)
		resp = refusal(req.UID, ev, result.Decision, code, reason)
	} else {
		ev.Decision, ev.Outcome, ev.Message = result.Decision.Code, result.Decision.Outcome, result.Decision.Message
		resp = response{UID: req.UID, Allowed: true, AuditAnnotations: map[string]string{"decision": string(result.Decision.Code)}}
		if len(result.Patch) > 0 {
			resp.Patch, resp.PatchType = result.Patch, "JSONPatch"
		}
	}
	if len(result.Templates) > 0 {
		resp.AuditAnnotations["templates"] = strings.Join(result.Templates, ",")
	}
	resp.AuditAnnotations["config-hash"] = engine.Hash()
	resp.Warnings = result.Warnings
	return resp
}

// refusal is the response that keeps a pod out, and says so in the event.
func refusal(uid string, ev *Event, d decide.Decision, code int, reason string) response {
	ev.Decision, ev.Outcome, ev.Message = d.Code, d.Outcome, d.Message
	return response{
		UID:              uid,
		Status:           &status{Status: "Failure", Message: d.Message, Reason: reason, Code: code},
		AuditAnnotations: map[string]string{"decision": string(d.Code)},
	}
}

// refusalStatus says whose fault a refusal is, in the words of the Kubernetes
// API: 400 the request's, 422 the pod's, 500 the configuration's.
func refusalStatus(code decide.Code) (int, string) {
	switch code {
	case decide.BadRequest:
		return http.StatusBadRequest, "BadRequest"
	case decide.TemplateError, decide.MergeError:
		return http.StatusInternalServerError, "InternalError"
	default:
		return http.StatusUnprocessableEntity, "Invalid"
	}
}
