package admission

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
	jsonv1 "github.com/go-json-experiment/json/v1"
)

// The versions of AdmissionReview that are understood. A review is answered in
// the version it came in, as the API server demands.
const (
	V1      = "admission.k8s.io/v1"
	V1beta1 = "admission.k8s.io/v1beta1"
)

// review is the part of an AdmissionReview that matters here. The types of
// k8s.io/api would decode old objects, options and user information for nothing.
type review struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Request    *request `json:"request"`
}

type request struct {
	UID         string           `json:"uid"`
	Kind        groupVersionKind `json:"kind"`
	SubResource string           `json:"subResource"`
	Operation   string           `json:"operation"`
	Namespace   string           `json:"namespace"`
	Name        string           `json:"name"`
	DryRun      bool             `json:"dryRun"`
	Object      json.RawMessage  `json:"object"`
}

type groupVersionKind struct {
	Group   string `json:"group"`
	Version string `json:"version"`
	Kind    string `json:"kind"`
}

func (k groupVersionKind) String() string {
	if k.Group == "" {
		return k.Version + " " + k.Kind
	}
	return k.Group + "/" + k.Version + " " + k.Kind
}

// podCreated says whether the request is about a pod being created. What is
// not said in the review counts as such: some tools send the object alone.
func (r *request) podCreated() bool {
	isPod := r.Kind == groupVersionKind{} || r.Kind == groupVersionKind{Version: "v1", Kind: "Pod"}
	return isPod && r.SubResource == "" && (r.Operation == "" || r.Operation == "CREATE")
}

// what names the request's object and operation, for people.
func (r *request) what() string {
	s := r.Kind.String()
	if r.SubResource != "" {
		s += "/" + r.SubResource
	}
	return s + " " + r.Operation
}

// reviewResponse is the AdmissionReview that is sent back.
type reviewResponse struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Response   response `json:"response"`
}

type response struct {
	UID              string            `json:"uid"`
	Allowed          bool              `json:"allowed"`
	Status           *status           `json:"status,omitempty"`
	Patch            []byte            `json:"patch,omitempty"` // base64 in JSON
	PatchType        string            `json:"patchType,omitempty"`
	AuditAnnotations map[string]string `json:"auditAnnotations,omitempty"`
	Warnings         []string          `json:"warnings,omitempty"`
}

// status is the part of metav1.Status that the API server passes on.
type status struct {
	Status  string `json:"status"`
	Message string `json:"message"`
	Reason  string `json:"reason"`
	Code    int    `json:"code"`
}

// decodeReview reads an AdmissionReview. Unknown fields are ignored: newer API
// servers send more. The object may be a part of body.
func decodeReview(body []byte) (*review, error) {
	if len(body) == 0 {
		return nil, errors.New("the body is empty: send an AdmissionReview")
	}
	envelope, object, cut := split(body)
	if !cut {
		envelope = body
	}
	var r review
	if err := unmarshal(envelope, &r); err != nil {
		return nil, fmt.Errorf("the body is not an AdmissionReview: %w", err)
	}
	if r.Kind != "AdmissionReview" || (r.APIVersion != V1 && r.APIVersion != V1beta1) {
		return nil, fmt.Errorf("apiVersion %q, kind %q are not understood: send kind AdmissionReview of %s or %s",
			clip(r.APIVersion), clip(r.Kind), V1, V1beta1)
	}
	if r.Request == nil {
		return nil, errors.New("the AdmissionReview has no request: set field request")
	}
	if cut && string(r.Request.Object) == null {
		r.Request.Object = object
	}
	return &r, nil
}

// unmarshal reads as encoding/json does: names in any case, the last of two equal
// ones. What is plain is read with a faster library, set to take names in any case
// too; what that refuses, encoding/json has the last word about.
func unmarshal(data []byte, r *review) error {
	if jsonv2.Unmarshal(data, r, jsonv2.MatchCaseInsensitiveNames(true), jsonv1.MatchCaseSensitiveDelimiter(true)) == nil {
		return nil
	}
	*r = review{} // the attempt may have left something
	return json.Unmarshal(data, r)
}

// clip keeps text of callers short in messages.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}
