package admission

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// mustEncodeAlike compares what is written with what encoding/json writes, as a
// reader sees it.
func mustEncodeAlike(t *testing.T, r *reviewResponse) {
	t.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	ours := r.append(nil)
	var got, want any
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(ours, &got); err != nil {
		t.Fatalf("%v in %s", err, ours)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %s\nwant %s", ours, text)
	}
}

var oddTexts = []string{
	"", "a", `"`, `\`, "\x00\x01\x1f\x7f", "\b\f\n\r\t", "<&>", "\u2028\u2029", "é", "\U0001f600",
	"\xff", "a\xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80", strings.Repeat("x", 300), strings.Repeat("\x01", 3000),
}

func TestEncode(t *testing.T) {
	mustEncodeAlike(t, &reviewResponse{})
	mustEncodeAlike(t, &reviewResponse{Response: response{AuditAnnotations: map[string]string{}, Warnings: []string{}, Patch: []byte{}}})
	for i, s := range oddTexts {
		other := oddTexts[(i+1)%len(oddTexts)]
		mustEncodeAlike(t, &reviewResponse{APIVersion: s, Kind: s, Response: response{
			UID: s, Allowed: i%2 == 0, Status: &status{Status: s, Message: s, Reason: s, Code: 300 - 100*i},
			Patch: []byte(s), PatchType: s,
			AuditAnnotations: map[string]string{s: s, other: s + "x", "b": "1", "a": "2"}, Warnings: []string{s, "", other},
		}})
	}
}

// Where there is as much memory as size says, no more is asked for.
func TestEncodeAllocatesNothing(t *testing.T) {
	r := &reviewResponse{APIVersion: V1, Kind: "AdmissionReview", Response: response{
		UID: "u", Allowed: true, Patch: make([]byte, 10_000), PatchType: "JSONPatch", Warnings: []string{strings.Repeat("w", 120)},
	}}
	b := make([]byte, 0, r.size())
	if n := testing.AllocsPerRun(20, func() { r.append(b) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzEncode(f *testing.F) {
	for _, s := range oddTexts {
		f.Add(s, "a", []byte(s), 400)
	}
	f.Fuzz(func(t *testing.T, s, other string, patch []byte, code int) {
		mustEncodeAlike(t, &reviewResponse{APIVersion: V1, Kind: s, Response: response{
			UID: other, Status: &status{Message: s, Code: code}, Patch: patch,
			AuditAnnotations: map[string]string{s: other, other: s}, Warnings: []string{other, s},
		}})
	})
}

func BenchmarkEncode(b *testing.B) {
	r := &reviewResponse{APIVersion: V1, Kind: "AdmissionReview", Response: response{
		UID: "705ab4f5-6393-11e8-b7cc-42010a800002", Allowed: true, Patch: make([]byte, 8<<10), PatchType: "JSONPatch",
		AuditAnnotations: map[string]string{"decision": "policy-enabled", "templates": "sidecar", "config-hash": "cafe"},
	}}
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		memory := make([]byte, 0, r.size())
		for b.Loop() {
			r.append(memory)
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := json.Marshal(r); err != nil {
				b.Fatal(err)
			}
		}
	})
}
