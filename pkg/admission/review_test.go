package admission

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// plainReview is a review as encoding/json decodes it.
type plainReview struct {
	APIVersion string
	Kind       string
	Request    *struct {
		UID         string
		Kind        groupVersionKind
		SubResource string
		Operation   string
		Namespace   string
		Name        string
		DryRun      bool
		Object      json.RawMessage
	}
}

const reviewHead = `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":`

func TestDecodeReview(t *testing.T) {
	for _, tt := range []struct{ name, body, object string }{
		{"as API servers send it", reviewHead + `{"uid":"u","object":{"a":["}",{"b":"\"}"}]},"oldObject":null,"options":{"x":1}}}`, `{"a":["}",{"b":"\"}"}]}`},
		{"spaces", " {\n\"request\" :\t{ \"object\" : [ 1 , 2 ]\r, \"uid\":\"u\" } , \"kind\": \"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1\" } ", `[ 1 , 2 ]`},
		{"old object first", reviewHead + `{"oldObject":{"z":{}},"object":{}}}`, `{}`},
		{"strings full of escapes", reviewHead + `{"object":{"a":"\\","b":"\\\"","c":"\u007d\\\\"}}}`, `{"a":"\\","b":"\\\"","c":"\u007d\\\\"}`},
		{"scalar object", reviewHead + `{"object":12}}`, `12`},
		{"object in other places too", `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","object":{"no":1},"request":{"kind":{"object":2},"object":{"yes":1}}}`, `{"yes":1}`},
		{"names in another case", reviewHead + `{"UID":"u","Kind":{"KIND":"Pod","VERSION":"v1"},"dry_run":true,"DryRun":false,"Object":{}}}`, `{}`},
		{"names in letters that fold", reviewHead + `{"ſubResource":"x","Kind":{"Kind":"Pod"},"ſubResource":"x","object":{}}}`, `{}`},
		{"a name twice, in two cases", reviewHead + `{"uid":"u","UID":"v","kind":{"kind":"Pod"},"KIND":{"version":"v1"},"object":{}}}`, `{}`},
		{"escaped name", reviewHead + `{"\u006fbject":{"a":1}}}`, `{"a":1}`},
		{"object twice", reviewHead + `{"object":{"a":1},"object":{"a":2}}}`, `{"a":2}`},
		{"request twice", reviewHead + `{"uid":"u","object":{"a":1}},"request":{"object":{"a":2}}}`, `{"a":2}`},
		{"request twice, then without object", reviewHead + `{"uid":"u","object":{"a":1}},"request":{"name":"n"}}`, `{"a":1}`},
		{"names twice in the object", reviewHead + `{"object":{"a":1,"a":2}}}`, `{"a":1,"a":2}`},
		{"null for everything", reviewHead + `{"uid":null,"kind":null,"subResource":null,"operation":null,"namespace":null,"name":null,"dryRun":null,"object":null}}`, `null`},
		{"text that is not UTF-8", reviewHead + "{\"uid\":\"\xff\\ud800\",\"object\":{\"a\":\"\xff\"}}}", "{\"a\":\"\xff\"}"},
		{"deep object", reviewHead + `{"object":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}}`, strings.Repeat("[", 9000) + strings.Repeat("]", 9000)},
		{"no object", reviewHead + `{"uid":"u"}}`, ``},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decodeReview([]byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if string(got.Request.Object.text) != tt.object {
				t.Errorf("object %q, want %q", got.Request.Object.text, tt.object)
			}
			mustAgree(t, []byte(tt.body))
		})
	}
}

func TestDecodeReviewRefuses(t *testing.T) {
	const notReview = "the body is not an AdmissionReview: "
	for _, tt := range []struct{ name, body, says string }{
		{"request is a list", reviewHead + `[]}`, notReview + "json: cannot unmarshal array into Go struct field"},
		{"wrong type inside", reviewHead + `{"uid":7}}`, notReview + "json: cannot unmarshal number into Go struct field review.request.uid of type string"},
		{"cut short in a string", reviewHead + `{"object":{"a":"b`, notReview + "unexpected end of JSON input"},
		{"cut short in an object", reviewHead + `{"object":{"a":1}`, notReview + "unexpected end of JSON input"},
		{"cut short before a value", reviewHead + `{"object":`, notReview + "unexpected end of JSON input"},
		{"broken object", reviewHead + `{"object":{"a":tru}}}`, notReview + "invalid character '}' in literal true (expecting 'e')"},
		{"broken old object", reviewHead + `{"object":{},"oldObject":{"a" 1}}}`, notReview + "invalid character '1' after object key"},
		{"no comma", reviewHead + `{"object":{} "uid":"u"}}`, notReview + "invalid character '\"' after object key:value pair"},
		{"text after the review", reviewHead + `{"object":{}}} {}`, notReview + "invalid character '{' after top-level value"},
		{"too deep", reviewHead + `{"object":` + strings.Repeat("[", 10001) + strings.Repeat("]", 10001) + `}}`, notReview + "exceeded max depth"},
		{"a list", `[]`, notReview + "json: cannot unmarshal array"},
		{"nothing", ``, "the body is empty: send an AdmissionReview"},
		{"no request", `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":null}`, "the AdmissionReview has no request: set field request"},
		{"another kind", `{"apiVersion":"admission.k8s.io/v1","kind":"Pod","request":{}}`, `apiVersion "admission.k8s.io/v1", kind "Pod" are not understood: send kind AdmissionReview of admission.k8s.io/v1 or admission.k8s.io/v1beta1`},
		{"another version", `{"apiVersion":"v1","kind":"AdmissionReview","request":{}}`, `apiVersion "v1", kind "AdmissionReview" are not understood`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decodeReview([]byte(tt.body))
			if err == nil || !strings.HasPrefix(err.Error(), tt.says) {
				t.Errorf("got %+v, %v, want error %q", got, err, tt.says)
			}
			mustAgree(t, []byte(tt.body))
		})
	}
}

// mustAgree compares what is read with what encoding/json reads.
func mustAgree(t *testing.T, body []byte) {
	t.Helper()
	var want plainReview
	wantErr := json.Unmarshal(body, &want)
	understood := want.Request != nil && want.Kind == "AdmissionReview" && (want.APIVersion == reviewV1 || want.APIVersion == reviewV1beta1)
	got, err := decodeReview(body)
	if (err == nil) != (wantErr == nil && understood) {
		t.Fatalf("error %v, encoding/json reads %+v, %v", err, want, wantErr)
	}
	if err != nil {
		return
	}
	q := got.Request
	ours := plainReview{APIVersion: got.APIVersion, Kind: got.Kind, Request: want.Request}
	if !reflect.DeepEqual(ours, want) || q.UID != want.Request.UID || q.Kind != want.Request.Kind || q.SubResource != want.Request.SubResource ||
		q.Operation != want.Request.Operation || q.Namespace != want.Request.Namespace || q.Name != want.Request.Name ||
		q.DryRun != want.Request.DryRun || string(q.Object.text) != string(want.Request.Object) {
		t.Errorf("read %+v, want %+v", q, want.Request)
	}
}

// The object is most of a review: it must not be copied.
func TestObjectIsPartOfTheBody(t *testing.T) {
	body := []byte(reviewHead + `{"uid":"u","object":{"a":1},"oldObject":{"a":2}}}`)
	r, err := decodeReview(body)
	if err != nil {
		t.Fatal(err)
	}
	i := strings.Index(string(body), `{"a":1}`)
	if text := r.Request.Object.text; &text[0] != &body[i] || cap(text) != len(text) {
		t.Errorf("%q is a copy, or can be appended to into the body: capacity %d", text, cap(text))
	}
}

func FuzzDecodeReview(f *testing.F) {
	f.Add([]byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","object":{"a":["}",{"b":"\"}"}]},"oldObject":null}}`))
	f.Add([]byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"Object":1,"object":{},"\u006fbject":2}}`))
	f.Add([]byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","Request":{"object":1},"request":{"object":[2]}}`))
	f.Add([]byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"UID":"u","uId":"v","ſubResource":"x","dry_run":true,"dry-run":1,"object":{}}}`))
	f.Fuzz(func(t *testing.T, body []byte) { mustAgree(t, body) })
}

// BenchmarkDecodeReview compares with encoding/json, on a pod of 8 KB as API
// servers send it: many small fields.
func BenchmarkDecodeReview(b *testing.B) {
	field := `"f:key-%":{"f:name":{},"f:value":"some text of usual length"},`
	object := `{"metadata":{"managedFields":{` + strings.TrimSuffix(strings.Repeat(field, 130), ",") + `}}}`
	body := []byte(reviewHead + `{"uid":"u","kind":{"version":"v1","kind":"Pod"},"operation":"CREATE","object":` + object + `,"oldObject":null}}`)
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			if _, err := decodeReview(body); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			if err := json.Unmarshal(body, new(plainReview)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
