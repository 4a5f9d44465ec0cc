package admission

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// decodeWhole is what decodeReview must agree with.
func decodeWhole(body []byte) (*review, error) {
	var r review
	err := json.Unmarshal(body, &r)
	return &r, err
}

func TestSplit(t *testing.T) {
	head := `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":`
	for _, tt := range []struct {
		name, body, object string
		ok                 bool
	}{
		{"usual", head + `{"uid":"u","object":{"a":["}",{"b":"\"}"}]},"oldObject":null,"options":{"x":1}}}`, `{"a":["}",{"b":"\"}"}]}`, true},
		{"spaces", " {\n\"request\" :\t{ \"object\" : [ 1 , 2 ]\r, \"uid\":\"u\" } , \"kind\": \"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1\" } ", `[ 1 , 2 ]`, true},
		{"old object first", head + `{"oldObject":{"z":{}},"object":{}}}`, `{}`, true},
		{"strings full of escapes", head + `{"object":{"a":"\\","b":"\\\"","c":"\u007d\\\\"}}}`, `{"a":"\\","b":"\\\"","c":"\u007d\\\\"}`, true},
		{"scalar object", head + `{"object":12}}`, `12`, true},
		{"object in other places too", `{"object":{"no":1},"request":{"kind":{"object":2},"object":{"yes":1}}}`, `{"yes":1}`, true},
		{"names in another case", head + `{"UID":"u","Kind":{"KIND":"Pod","VERSION":"v1"},"dry_run":true,"DryRun":false,"object":{}}}`, `{}`, true},
		{"names in letters that fold", head + `{"ſubResource":"x","Kind":{"Kind":"Pod"},"ſubResource":"x","object":{}}}`, `{}`, true},
		{"a name twice, in two cases", head + `{"uid":"u","UID":"v","kind":{"kind":"Pod"},"KIND":{"version":"v1"},"object":{}}}`, `{}`, true},
		{"null for everything", head + `{"uid":null,"kind":null,"subResource":null,"operation":null,"namespace":null,"name":null,"dryRun":null,"object":null}}`, `null`, true},
		{"text that is not UTF-8", head + "{\"uid\":\"\xff\\ud800\",\"object\":{}}}", `{}`, true},
		{"no object", head + `{"uid":"u"}}`, ``, false},
		{"object twice", head + `{"object":{"a":1},"object":{"a":2}}}`, ``, false},
		{"request twice", head + `{"object":{"a":1}},"request":{"object":{"a":2}}}`, ``, false},
		{"escaped key", head + `{"\u006fbject":{"a":1},"object":{}}}`, ``, false},
		{"request is a list", head + `[]}`, ``, false},
		{"request is missing", `{"kind":"AdmissionReview"}`, ``, false},
		{"empty object", `{}`, ``, false},
		{"cut short in a string", head + `{"object":{"a":"b`, ``, false},
		{"cut short in an object", head + `{"object":{"a":1}`, ``, false},
		{"cut short before a value", head + `{"object":`, ``, false},
		{"cut short before a colon", head + `{"object"`, ``, false},
		{"no colon", head + `{"object" 1}}`, ``, false},
		{"no value", head + `{"object":}}`, ``, false},
		{"no comma", head + `{"object":{} "uid":"u"}}`, ``, false},
		{"no key", head + `{1:2}}`, ``, false},
		{"a list", `[]`, ``, false},
		{"nothing", ``, ``, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			envelope, object, ok := split([]byte(tt.body))
			if ok != tt.ok || string(object) != tt.object {
				t.Errorf("got %q, %v, want %q, %v", object, ok, tt.object, tt.ok)
			}
			if ok && strings.Contains(string(envelope), `"z"`) {
				t.Errorf("the old object is still in %s", envelope)
			}
			agree(t, []byte(tt.body))
		})
	}
}

// agree compares what is read with and without splitting. An error on either
// side may be for another reason, and a broken object is found by whoever
// decodes it, but a review that both read must be the same.
func agree(t *testing.T, body []byte) {
	t.Helper()
	whole, wholeErr := decodeWhole(body)
	got, err := decodeReview(body)
	if wholeErr != nil || err != nil {
		if err != nil && wholeErr == nil && whole.Request != nil && whole.Kind == "AdmissionReview" && (whole.APIVersion == V1 || whole.APIVersion == V1beta1) {
			t.Errorf("refused a good review: %v", err)
		}
		if err == nil && wholeErr != nil && json.Valid(got.Request.Object) && json.Valid(body) {
			t.Errorf("read what encoding/json does not: %v", wholeErr)
		}
		return
	}
	if !reflect.DeepEqual(got, whole) {
		t.Errorf("read %+v, want %+v", got.Request, whole.Request)
	}
}

func FuzzSplit(f *testing.F) {
	f.Add([]byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","object":{"a":["}",{"b":"\"}"}]},"oldObject":null}}`))
	f.Add([]byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"Object":1,"object":{},"\u006fbject":2}}`))
	f.Add([]byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","Request":{"object":1},"request":{"object":[2]}}`))
	f.Add([]byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"UID":"u","uId":"v","ſubResource":"x","dry_run":true,"dry-run":1,"object":{}}}`))
	f.Fuzz(func(t *testing.T, body []byte) { agree(t, body) })
}

// BenchmarkDecodeReview compares the two ways on a pod of 8 KB as API servers
// send it: many small fields.
func BenchmarkDecodeReview(b *testing.B) {
	field := `"f:key-%":{"f:name":{},"f:value":"some text of usual length"},`
	object := `{"metadata":{"managedFields":{` + strings.TrimSuffix(strings.Repeat(field, 130), ",") + `}}}`
	body := []byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","kind":{"version":"v1","kind":"Pod"},"operation":"CREATE","object":` + object + `,"oldObject":null}}`)
	b.Run("split", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			if _, err := decodeReview(body); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("whole", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			if _, err := decodeWhole(body); err != nil {
				b.Fatal(err)
			}
		}
	})
}
