package admission

import (
	"bytes"
	"encoding/base64"
	"net/http"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cut"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
)

// reviewResponse is the AdmissionReview that is sent back. Response is its last
// field, see write.
type reviewResponse struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Response   response `json:"response"`
}

type response struct {
	UID              string           `json:"uid"`
	Allowed          bool             `json:"allowed"`
	Status           *status          `json:"status,omitempty"`
	AuditAnnotations auditAnnotations `json:"auditAnnotations"`
	Warnings         []string         `json:"warnings,omitempty"`

	// patch is written by reviewResponse.write.
	patch []byte
	// decision is what the response says, for the event.
	decision decide.Decision
}

// auditAnnotations are what an audit log says about the request; the API server
// puts the webhook's name before the keys.
type auditAnnotations struct {
	ConfigHash string      `json:"config-hash,omitempty"`
	Decision   decide.Code `json:"decision"`
	Templates  string      `json:"templates,omitempty"`
}

// status is the part of metav1.Status that the API server passes on.
type status struct {
	Status  string `json:"status"`
	Message string `json:"message"`
	Reason  string `json:"reason"`
	Code    int    `json:"code"`
	// Details, as metav1.StatusDetails: nil where the message says all.
	Details *details `json:"details,omitempty"`
}

// details are what tools show of a refused object, kubectl edit nothing else.
type details struct {
	Name   string  `json:"name,omitempty"`
	Kind   string  `json:"kind,omitempty"`
	Causes []cause `json:"causes,omitempty"`
}

type cause struct {
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	Field   string `json:"field,omitempty"`
}

// allowed lets the object in unchanged.
func allowed(d decide.Decision) response {
	return response{Allowed: true, AuditAnnotations: auditAnnotations{Decision: d.Code}, decision: d}
}

// patched lets the pod in with a JSON patch; an empty one changes nothing.
func patched(d decide.Decision, patch []byte) response {
	r := allowed(d)
	r.patch = patch
	return r
}

// denied keeps the object out. The HTTP status and the reason say whose fault
// that is, in the terms of the Kubernetes API.
func denied(d decide.Decision, code int, reason string) response {
	return response{
		Status:           &status{Status: "Failure", Message: cut.Line(d.Message, maxMessage), Reason: reason, Code: code},
		AuditAnnotations: auditAnnotations{Decision: d.Code},
		decision:         d,
	}
}

// refused is denied for a decision of the engine: 400 says that the request is
// at fault, 422 the pod, 403 that it asks for what it may not have, 500 the
// configuration or the engine, 504 that there was not enough time.
func refused(d decide.Decision) response {
	switch d.Code {
	case decide.BadRequest:
		return denied(d, http.StatusBadRequest, "BadRequest")
	case decide.NotAllowed:
		return denied(d, http.StatusForbidden, "Forbidden")
	case decide.TemplateError, decide.MergeError, decide.Internal:
		return denied(d, http.StatusInternalServerError, "InternalError")
	case decide.DeadlineExceeded:
		return denied(d, http.StatusGatewayTimeout, "Timeout")
	default:
		return denied(d, http.StatusUnprocessableEntity, "Invalid")
	}
}

// envelopeSize is enough for a response without its patch, unless it has an
// unusually long message.
const envelopeSize = 512

// write appends the review to an empty buffer. A patch is some ten kilobytes:
// base64 goes to where it is sent from, past a JSON encoder that would look for
// characters to escape.
func (r *reviewResponse) write(buf *bytes.Buffer) error {
	const patchField, end = `,"patchType":"JSONPatch","patch":"`, `}}`
	buf.Grow(envelopeSize + base64.StdEncoding.EncodedLen(len(r.Response.patch)))
	// What is not UTF-8 becomes U+FFFD, as with encoding/json.
	if err := jsonv2.MarshalWrite(buf, r, jsontext.AllowInvalidUTF8(true)); err != nil || len(r.Response.patch) == 0 {
		return err
	}
	buf.Truncate(buf.Len() - len(end)) // both objects end there, because response is the last field
	buf.WriteString(patchField)
	buf.Write(base64.StdEncoding.AppendEncode(buf.AvailableBuffer(), r.Response.patch))
	buf.WriteString(`"` + end)
	return nil
}
