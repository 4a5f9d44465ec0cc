package admission

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
)

// mustWrite compares what is written, as an API server reads it, with the
// Kubernetes type. Text that is not UTF-8 comes out as encoding/json would
// write it.
func mustWrite(t *testing.T, r *reviewResponse) {
	t.Helper()
	var buf bytes.Buffer
	if err := r.write(&buf); err != nil {
		t.Fatal(err)
	}
	resp := &r.Response
	want := admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: r.APIVersion, Kind: r.Kind},
		Response: &admissionv1.AdmissionResponse{
			UID: types.UID(resp.UID), Allowed: resp.Allowed, Warnings: resp.Warnings,
			AuditAnnotations: map[string]string{"decision": string(resp.AuditAnnotations.Decision)},
		},
	}
	if s := resp.Status; s != nil {
		want.Response.Result = &metav1.Status{Status: s.Status, Message: s.Message, Reason: metav1.StatusReason(s.Reason), Code: int32(s.Code)}
	}
	if len(resp.patch) > 0 {
		jsonPatch := admissionv1.PatchTypeJSONPatch
		want.Response.Patch, want.Response.PatchType = resp.patch, &jsonPatch
	}
	for key, value := range map[string]string{"config-hash": resp.AuditAnnotations.ConfigHash, "templates": resp.AuditAnnotations.Templates} {
		if value != "" {
			want.Response.AuditAnnotations[key] = value
		}
	}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var expected, got admissionv1.AdmissionReview
	if err := json.Unmarshal(text, &expected); err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(buf.Bytes()))
	d.DisallowUnknownFields()
	if err := d.Decode(&got); err != nil {
		t.Fatalf("%v in %s", err, &buf)
	}
	if diff := cmp.Diff(expected, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", &buf, diff)
	}
}

func oddTexts() []string {
	return []string{
		"", "a", `"`, `\`, "}}", "\x00\x01\x1f\x7f", "\b\f\n\r\t", "<&>", "\u2028\u2029", "é", "\U0001f600",
		"\xff", "a\xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80", strings.Repeat("x", 300), strings.Repeat("\x01", 3000),
	}
}

func TestWriteReview(t *testing.T) {
	mustWrite(t, &reviewResponse{})
	mustWrite(t, &reviewResponse{Response: response{Warnings: []string{}, patch: []byte{}}})
	texts := oddTexts()
	for i, s := range texts {
		other := texts[(i+1)%len(texts)]
		mustWrite(t, &reviewResponse{APIVersion: s, Kind: s, Response: response{
			UID: s, Allowed: i%2 == 0, Status: &status{Status: s, Message: s, Reason: s, Code: 300 - 100*i},
			AuditAnnotations: auditAnnotations{ConfigHash: s, Decision: decide.Code(s), Templates: other},
			Warnings:         []string{s, "", other}, patch: []byte(s),
		}})
	}
}

// A patch is written where the buffer has memory for it.
func TestWriteReviewAllocations(t *testing.T) {
	r := patched(decide.Decision{Code: decide.PolicyEnabled}, bytes.Repeat([]byte("x"), 10_000))
	r.UID, r.Warnings = "u", []string{strings.Repeat("w", 120)}
	out := reviewResponse{APIVersion: reviewV1, Kind: "AdmissionReview", Response: r}
	var buf bytes.Buffer
	if err := out.write(&buf); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(20, func() { buf.Reset(); _ = out.write(&buf) }); n > 1 {
		t.Errorf("%v allocations for an answer that fits the buffer", n)
	}
	// A new buffer grows once.
	if n := testing.AllocsPerRun(20, func() { _ = out.write(new(bytes.Buffer)) }); n > 3 {
		t.Errorf("%v allocations for an answer in a new buffer", n)
	}
}

func FuzzWriteReview(f *testing.F) {
	for _, s := range oddTexts() {
		f.Add(s, "a", []byte(s), int32(400))
	}
	f.Fuzz(func(t *testing.T, s, other string, patch []byte, code int32) {
		mustWrite(t, &reviewResponse{APIVersion: reviewV1, Kind: s, Response: response{
			UID: other, Status: &status{Message: s, Code: int(code)}, patch: patch,
			AuditAnnotations: auditAnnotations{ConfigHash: s, Decision: decide.Code(other), Templates: other}, Warnings: []string{other, s},
		}})
	})
}

func BenchmarkWriteReview(b *testing.B) {
	r := patched(decide.Decision{Code: decide.PolicyEnabled}, make([]byte, 8<<10))
	r.UID, r.AuditAnnotations.Templates, r.AuditAnnotations.ConfigHash = "705ab4f5-6393-11e8-b7cc-42010a800002", "sidecar", "cafe"
	out := reviewResponse{APIVersion: reviewV1, Kind: "AdmissionReview", Response: r}
	var buf bytes.Buffer
	b.ReportAllocs()
	for b.Loop() {
		buf.Reset()
		if err := out.write(&buf); err != nil {
			b.Fatal(err)
		}
	}
}
