package admission

import (
	"errors"
	"fmt"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cut"
)

// The versions of AdmissionReview that are understood. The API server demands
// that a review is answered in the version it came in.
const (
	reviewV1      = "admission.k8s.io/v1"
	reviewV1beta1 = "admission.k8s.io/v1beta1"
)

// review is the part of an AdmissionReview that is needed here. The types of
// k8s.io/api would also decode options and user information.
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
	Object      rawObject        `json:"object"`
	OldObject   rawObject        `json:"oldObject"`
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

// rawObject is the text of the object under review. It is not copied out of the
// body, because it is most of it: decoding notes its place, and of fills in the
// text.
type rawObject struct {
	text       []byte
	start, end int64
}

// UnmarshalJSONFrom implements jsonv2.UnmarshalerFrom.
func (o *rawObject) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	value, err := d.ReadValue()
	o.end = d.InputOffset()
	o.start = o.end - int64(len(value))
	return err
}

func (o *rawObject) of(body []byte) { o.text = body[o.start:o.end:o.end] }

// missing reports whether the review has no object.
func (o *rawObject) missing() bool { return len(o.text) == 0 || string(o.text) == "null" }

// json is the object's text; nil when there is none.
func (o *rawObject) json() []byte {
	if o.missing() {
		return nil
	}
	return o.text
}

// createsPod reports whether a pod is being created. A field that the review
// leaves out counts as said, because some tools send the object alone.
func (r *request) createsPod() bool {
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

// decodeReview reads an AdmissionReview as encoding/json would: names in any
// case, the last of two equal ones, unknown fields ignored, because newer API
// servers send more. The object is a part of body.
func decodeReview(body []byte) (*review, error) {
	if len(body) == 0 {
		return nil, errors.New("the body is empty: send an AdmissionReview")
	}
	r, err := unmarshal(body, jsonv1.ReportErrorsWithLegacySemantics(false))
	if err != nil {
		r, err = unmarshal(body)
	}
	if err != nil {
		return nil, fmt.Errorf("the body is not an AdmissionReview: %w", err)
	}
	if r.Kind != "AdmissionReview" || (r.APIVersion != reviewV1 && r.APIVersion != reviewV1beta1) {
		return nil, fmt.Errorf("apiVersion %q, kind %q are not understood: send kind AdmissionReview of %s or %s",
			cut.Line(r.APIVersion, maxQuoted), cut.Line(r.Kind, maxQuoted), reviewV1, reviewV1beta1)
	}
	if r.Request == nil {
		return nil, errors.New("the AdmissionReview has no request: set field request")
	}
	r.Request.Object.of(body)
	r.Request.OldObject.of(body)
	return r, nil
}

// unmarshal decodes with encoding/json's semantics, except for what opts change.
// To report errors as encoding/json does, it reads a body twice, first for its
// syntax; that is why errors are reported so only when there is one.
func unmarshal(body []byte, opts ...jsonv2.Options) (*review, error) {
	var r review
	err := jsonv2.Unmarshal(body, &r, jsonv1.DefaultOptionsV1(), jsonv2.JoinOptions(opts...))
	return &r, err
}
