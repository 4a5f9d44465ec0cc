package admission

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	admissionv1beta1 "k8s.io/api/admission/v1beta1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

// engine is an Engine that answers what a test wants.
type engine struct {
	result inject.Result
	do     func(inject.Request)
	asked  []inject.Request
}

func (e *engine) Inject(_ context.Context, r inject.Request) inject.Result {
	r.Object = bytes.Clone(r.Object) // its memory is the caller's
	e.asked = append(e.asked, r)
	if e.do != nil {
		e.do(r)
	}
	return e.result
}

func (e *engine) Hash() string { return "cafe" }

// rig is a handler under test, with what it told the observer.
type rig struct {
	http.Handler
	engine *engine
	events []Event
}

func newRig(result inject.Result) *rig {
	r := &rig{engine: &engine{result: result}}
	clock := time.Unix(0, 0)
	r.Handler = NewHandler(Config{
		Engine:   func() Engine { return r.engine },
		Observe:  func(ev Event) { r.events = append(r.events, ev) },
		Now:      func() time.Time { clock = clock.Add(time.Millisecond); return clock },
		Parallel: 1,
	})
	return r
}

func (r *rig) post(path string, body any) *httptest.ResponseRecorder {
	var reader io.Reader
	switch b := body.(type) {
	case io.Reader:
		reader = b
	case string:
		reader = strings.NewReader(b)
	default:
		data, err := json.Marshal(b)
		if err != nil {
			panic(err)
		}
		reader = bytes.NewReader(data)
	}
	req := httptest.NewRequest(http.MethodPost, path, reader)
	req.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	return w
}

// podReview is a review as an API server sends it, made with Kubernetes' own types.
func podReview(change func(*admissionv1.AdmissionRequest)) *admissionv1.AdmissionReview {
	pod, err := json.Marshal(&corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{GenerateName: "hello-"},
	})
	if err != nil {
		panic(err)
	}
	dry := false
	r := &admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: reviewV1, Kind: "AdmissionReview"},
		Request: &admissionv1.AdmissionRequest{
			UID:       "705ab4f5-6393-11e8-b7cc-42010a800002",
			Kind:      metav1.GroupVersionKind{Version: "v1", Kind: "Pod"},
			Resource:  metav1.GroupVersionResource{Version: "v1", Resource: "pods"},
			Operation: admissionv1.Create,
			Namespace: "shop",
			Object:    runtime.RawExtension{Raw: pod},
			DryRun:    &dry,
		},
	}
	if change != nil {
		change(r.Request)
	}
	return r
}

var injected = inject.Result{
	Decision:  decide.Decision{Code: decide.PolicyEnabled, Outcome: decide.Inject, Message: "nothing said otherwise"},
	Templates: []string{"sidecar", "extra"},
	Patch:     []byte(`[{"op":"add","path":"/metadata/labels","value":{"a":"b"}}]`),
	Warnings:  []string{"mind the gap"},
	Namespace: "shop", Name: "hello-",
	Workload: inject.Owner{TypeMeta: metav1.TypeMeta{Kind: "Deployment"}, ObjectMeta: metav1.ObjectMeta{Name: "hello"}},
}

func TestInjected(t *testing.T) {
	r := newRig(injected)
	review := podReview(nil)
	w := r.post("/inject/cluster/c1/net/n1?timeout=10s", review)
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("got %d %v: %s", w.Code, w.Header(), w.Body)
	}
	var got admissionv1.AdmissionReview
	decode(t, w, &got)
	patchType := admissionv1.PatchTypeJSONPatch
	want := admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: reviewV1, Kind: "AdmissionReview"},
		Response: &admissionv1.AdmissionResponse{
			UID: review.Request.UID, Allowed: true, Patch: injected.Patch, PatchType: &patchType,
			AuditAnnotations: map[string]string{"decision": "policy-enabled", "templates": "sidecar,extra", "config-hash": "cafe"},
			Warnings:         []string{"mind the gap"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("response (-want +got):\n%s", diff)
	}
	asked := inject.Request{Object: review.Request.Object.Raw, Namespace: "shop", Path: "/inject/cluster/c1/net/n1"}
	if diff := cmp.Diff([]inject.Request{asked}, r.engine.asked); diff != "" {
		t.Errorf("the engine was asked (-want +got):\n%s", diff)
	}
	event := Event{
		HTTPStatus: 200, Decision: decide.PolicyEnabled, Outcome: decide.Inject, Message: "nothing said otherwise",
		Namespace: "shop", Name: "hello-", OwnerKind: "Deployment", OwnerName: "hello",
		UID: string(review.Request.UID), Templates: []string{"sidecar", "extra"}, Duration: time.Millisecond,
	}
	if diff := cmp.Diff([]Event{event}, r.events); diff != "" {
		t.Errorf("observed (-want +got):\n%s", diff)
	}
}

// decode reads the answer as an API server would, and finds fields that it does
// not know.
func decode(t *testing.T, w *httptest.ResponseRecorder, into any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(w.Body.Bytes()))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatalf("answer %s: %v", w.Body, err)
	}
}

func TestV1beta1(t *testing.T) {
	r := newRig(injected)
	review := podReview(nil)
	review.APIVersion = reviewV1beta1
	w := r.post("/inject", review)
	var got admissionv1beta1.AdmissionReview
	decode(t, w, &got)
	if got.APIVersion != reviewV1beta1 || got.Kind != "AdmissionReview" {
		t.Errorf("answered in %s %s", got.APIVersion, got.Kind)
	}
	if got.Response == nil || got.Response.UID != review.Request.UID || !got.Response.Allowed ||
		!bytes.Equal(got.Response.Patch, injected.Patch) || *got.Response.PatchType != admissionv1beta1.PatchTypeJSONPatch {
		t.Errorf("got %+v", got.Response)
	}
}

func TestSkipped(t *testing.T) {
	r := newRig(inject.Result{Decision: decide.Decision{Code: decide.LabelFalse, Outcome: decide.Skip, Message: "the pod declines"}})
	var got admissionv1.AdmissionReview
	decode(t, r.post("/inject", podReview(nil)), &got)
	want := &admissionv1.AdmissionResponse{
		UID: got.Response.UID, Allowed: true,
		AuditAnnotations: map[string]string{"decision": "label-false", "config-hash": "cafe"},
	}
	if diff := cmp.Diff(want, got.Response); diff != "" {
		t.Errorf("response (-want +got):\n%s", diff)
	}
}

func TestRefused(t *testing.T) {
	for code, want := range map[decide.Code]metav1.Status{
		decide.InvalidAnnotation: {Code: 422, Reason: metav1.StatusReasonInvalid},
		decide.UnknownTemplate:   {Code: 422, Reason: metav1.StatusReasonInvalid},
		decide.PodInvalid:        {Code: 422, Reason: metav1.StatusReasonInvalid},
		decide.BadRequest:        {Code: 400, Reason: metav1.StatusReasonBadRequest},
		decide.TemplateError:     {Code: 500, Reason: metav1.StatusReasonInternalError},
		decide.MergeError:        {Code: 500, Reason: metav1.StatusReasonInternalError},
		decide.LimitExceeded:     {Code: 422, Reason: metav1.StatusReasonInvalid},
		decide.NotAllowed:        {Code: 403, Reason: metav1.StatusReasonForbidden},
		decide.DeadlineExceeded:  {Code: 504, Reason: metav1.StatusReasonTimeout},
		decide.Internal:          {Code: 500, Reason: metav1.StatusReasonInternalError},
	} {
		t.Run(string(code), func(t *testing.T) {
			sentence := "annotation a has value b: use c"
			r := newRig(inject.Result{
				Decision:  decide.Decision{Code: code, Outcome: decide.Refuse, Message: sentence},
				Templates: []string{"sidecar"},
				Patch:     []byte(`[{"op":"remove","path":"/spec"}]`), // must not be sent
			})
			var got admissionv1.AdmissionReview
			decode(t, r.post("/inject", podReview(nil)), &got)
			want.Status, want.Message = metav1.StatusFailure, sentence
			wantResponse := &admissionv1.AdmissionResponse{
				UID: got.Response.UID, Result: &want,
				AuditAnnotations: map[string]string{"decision": string(code), "templates": "sidecar", "config-hash": "cafe"},
			}
			if diff := cmp.Diff(wantResponse, got.Response); diff != "" {
				t.Errorf("response (-want +got):\n%s", diff)
			}
			if ev := r.events[0]; ev.Outcome != decide.Refuse || ev.Message != sentence || ev.HTTPStatus != 200 {
				t.Errorf("observed %+v", ev)
			}
		})
	}
}

func TestNotAPodBeingCreated(t *testing.T) {
	const rest = " is not a pod being created: let in untouched, the webhook's rules need not name it"
	for name, tt := range map[string]struct {
		message string
		change  func(*admissionv1.AdmissionRequest)
	}{
		"deployment": {"apps/v1 Deployment CREATE", func(r *admissionv1.AdmissionRequest) {
			r.Kind = metav1.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
		}},
		"pod of CRD":  {"example.com/v1 Pod CREATE", func(r *admissionv1.AdmissionRequest) { r.Kind.Group = "example.com" }},
		"update":      {"v1 Pod UPDATE", func(r *admissionv1.AdmissionRequest) { r.Operation = admissionv1.Update }},
		"delete":      {"v1 Pod DELETE", func(r *admissionv1.AdmissionRequest) { r.Operation = admissionv1.Delete; r.Object.Raw = nil }},
		"subresource": {"v1 Pod/ephemeralcontainers CREATE", func(r *admissionv1.AdmissionRequest) { r.SubResource = "ephemeralcontainers" }},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(injected)
			review := podReview(tt.change)
			var got admissionv1.AdmissionReview
			decode(t, r.post("/inject", review), &got)
			want := &admissionv1.AdmissionResponse{
				UID: review.Request.UID, Allowed: true,
				AuditAnnotations: map[string]string{"decision": "not-applicable"},
			}
			if diff := cmp.Diff(want, got.Response); diff != "" {
				t.Errorf("response (-want +got):\n%s", diff)
			}
			if len(r.engine.asked) != 0 {
				t.Error("the engine was asked")
			}
			if ev := r.events[0]; ev.Decision != NotApplicable || ev.Outcome != decide.Skip || ev.Message != tt.message+rest {
				t.Errorf("observed %+v", ev)
			}
		})
	}
}

func TestReviewWithoutKindOrOperation(t *testing.T) {
	r := newRig(injected)
	var got admissionv1.AdmissionReview
	decode(t, r.post("/inject", `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","object":{"metadata":{}},"unknown":{"x":[1]}}}`), &got)
	if !got.Response.Allowed || got.Response.Patch == nil || string(r.engine.asked[0].Object) != `{"metadata":{}}` {
		t.Errorf("got %+v", got.Response)
	}
}

func TestDryRun(t *testing.T) {
	r := newRig(injected)
	r.post("/inject", podReview(func(q *admissionv1.AdmissionRequest) { yes := true; q.DryRun = &yes }))
	if !r.events[0].DryRun {
		t.Error("the observer does not know that it is a dry run")
	}
}

func TestNoPodInTheReview(t *testing.T) {
	for _, object := range []string{``, `,"object":null`} {
		r := newRig(injected)
		var got admissionv1.AdmissionReview
		decode(t, r.post("/inject", `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","operation":"CREATE"`+object+`}}`), &got)
		if got.Response.Allowed || got.Response.Result.Code != 400 || got.Response.AuditAnnotations["decision"] != "bad-request" {
			t.Errorf("got %+v", got.Response)
		}
	}
}

func TestNoConfigurationYet(t *testing.T) {
	var events []Event
	h := NewHandler(Config{Engine: func() Engine { return nil }, Observe: func(ev Event) { events = append(events, ev) }})
	r := &rig{Handler: h}
	var got admissionv1.AdmissionReview
	decode(t, r.post("/inject", podReview(nil)), &got)
	if got.Response.Allowed || got.Response.Result.Code != 503 || len(events) != 1 || events[0].Duration < 0 {
		t.Errorf("got %+v, %+v", got.Response, events)
	}
}

func TestPanic(t *testing.T) {
	r := newRig(injected)
	r.engine.do = func(inject.Request) { panic("a pod's secret: hunter2") }
	var got admissionv1.AdmissionReview
	review := podReview(nil)
	decode(t, r.post("/inject", review), &got)
	if got.Response.Allowed || got.Response.UID != review.Request.UID || got.Response.Result.Code != 500 {
		t.Errorf("got %+v", got.Response)
	}
	if m := got.Response.Result.Message; strings.Contains(m, "hunter2") || !strings.Contains(m, string(review.Request.UID)) {
		t.Errorf("message %q: must point to the log and not tell what the panic said", m)
	}
	ev := r.events[0]
	if ev.Outcome != decide.Refuse || !strings.Contains(ev.Error, "panic") || !bytes.Contains(ev.Stack, []byte("handler_test.go")) {
		t.Errorf("observed %+v", ev)
	}
	// The turn was given back.
	r.engine.do = nil
	decode(t, r.post("/inject", review), &got)
	if !got.Response.Allowed {
		t.Error("the next request was not served")
	}
}

func TestCallsThatAreNoReviews(t *testing.T) {
	good, err := json.Marshal(podReview(nil))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name        string
		method      string
		contentType string
		length      int64
		body        io.Reader
		status      int
		says        string
	}{
		{name: "method", method: http.MethodGet, contentType: "application/json", status: 405, says: "method GET is not allowed here: use POST"},
		{name: "no content type", status: 415, says: `content type "" is not understood: use application/json`},
		{name: "content type", contentType: "application/yaml", status: 415, says: `content type "application/yaml"`},
		{name: "content type that does not parse", contentType: "application/json; =", status: 415, says: "use application/json"},
		{name: "empty", contentType: "application/json", body: strings.NewReader(""), status: 400, says: "the body is empty"},
		{name: "not JSON", contentType: "application/json", body: strings.NewReader("hello"), status: 400, says: "not an AdmissionReview: invalid character"},
		{name: "a JSON list", contentType: "application/json", body: strings.NewReader("[]"), status: 400, says: "not an AdmissionReview"},
		{name: "another kind", contentType: "application/json", body: strings.NewReader(`{"apiVersion":"v1","kind":"Pod"}`), status: 400, says: `apiVersion "v1", kind "Pod" are not understood`},
		{name: "another version", contentType: "application/json", body: strings.NewReader(`{"apiVersion":"admission.k8s.io/v2","kind":"AdmissionReview"}`), status: 400, says: reviewV1 + " or " + reviewV1beta1},
		{name: "no request", contentType: "application/json", body: strings.NewReader(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}`), status: 400, says: "no request"},
		{name: "wrong type inside", contentType: "application/json", body: strings.NewReader(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":7}}`), status: 400, says: "uid"},
		{name: "declared too large", contentType: "application/json", length: maxBodyBytes + 1, body: strings.NewReader("{}"), status: 413, says: "larger than 7340032 bytes"},
		{name: "too large", contentType: "application/json", length: -1, body: io.MultiReader(bytes.NewReader(good), strings.NewReader(strings.Repeat(" ", maxBodyBytes))), status: 413, says: "larger than"},
		{name: "cut off", contentType: "application/json", length: -1, body: iotest.ErrReader(io.ErrUnexpectedEOF), status: 400, says: "ended before its Content-Length"},
		{name: "unreadable", contentType: "application/json", length: -1, body: iotest.ErrReader(errors.New("wire cut")), status: 400, says: "wire cut"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(injected)
			req := httptest.NewRequest(cmpOr(tt.method, http.MethodPost), "/inject", tt.body)
			if tt.length != 0 {
				req.ContentLength = tt.length
			}
			if tt.contentType != "" {
				req.Header.Set("Content-Type", tt.contentType)
			}
			w := httptest.NewRecorder()
			r.ServeHTTP(w, req)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.says) {
				t.Errorf("got %d %q, want %d and %q", w.Code, w.Body, tt.status, tt.says)
			}
			if strings.Count(strings.TrimSpace(w.Body.String()), "\n") != 0 {
				t.Errorf("not one sentence: %q", w.Body)
			}
			if (w.Header().Get("Allow") == "POST") != (tt.status == 405) {
				t.Errorf("header Allow %q", w.Header().Get("Allow"))
			}
			if w.Header().Get("Retry-After") != "" {
				t.Error("told to try again")
			}
			if len(r.engine.asked) != 0 {
				t.Error("the engine was asked")
			}
			if len(r.events) != 1 || r.events[0].HTTPStatus != tt.status || r.events[0].Error == "" || r.events[0].Decision != "" {
				t.Errorf("observed %+v", r.events)
			}
		})
	}
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func TestContentTypeParameters(t *testing.T) {
	r := newRig(injected)
	data, _ := json.Marshal(podReview(nil))
	req := httptest.NewRequest(http.MethodPost, "/inject", bytes.NewReader(data))
	req.Header.Set("Content-Type", "Application/JSON; charset=utf-8")
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	if w.Code != http.StatusOK {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestLargestBodyIsRead(t *testing.T) {
	data, _ := json.Marshal(podReview(nil))
	r := newRig(injected)
	padded := append(data, bytes.Repeat([]byte(" "), maxBodyBytes-len(data))...)
	if w := r.post("/inject", bytes.NewReader(padded)); w.Code != http.StatusOK {
		t.Errorf("a body of exactly the limit got %d %s", w.Code, w.Body)
	}
}

func TestWaitsForATurn(t *testing.T) {
	inside, leave := make(chan struct{}), make(chan struct{})
	r := &engine{result: injected, do: func(inject.Request) { inside <- struct{}{}; <-leave }}
	events := make(chan Event, 2)
	h := NewHandler(Config{Engine: func() Engine { return r }, Observe: func(ev Event) { events <- ev }, Parallel: 1})
	data, _ := json.Marshal(podReview(nil))
	call := func(query string) *httptest.ResponseRecorder {
		req := httptest.NewRequest(http.MethodPost, "/inject"+query, bytes.NewReader(data))
		req.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		return w
	}
	first := make(chan *httptest.ResponseRecorder, 1)
	go func() { first <- call("?timeout=30s") }()
	<-inside
	// The second one's caller waits no longer than this.
	w := call("?timeout=20ms")
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1" {
		t.Errorf("got %d %v %s", w.Code, w.Header(), w.Body)
	}
	if ev := <-events; ev.HTTPStatus != 503 {
		t.Errorf("observed %+v", ev)
	}
	close(leave)
	if w := <-first; w.Code != http.StatusOK {
		t.Errorf("the first one got %d", w.Code)
	}
}

// What an observer does with an event is not at the caller's expense.
func TestAnswersBeforeItIsObserved(t *testing.T) {
	answered := make(chan struct{})
	var late bool
	server := httptest.NewServer(NewHandler(Config{
		Engine: func() Engine {
			return &engine{result: inject.Result{Decision: decide.Decision{Code: decide.PolicyEnabled}, Patch: []byte("[]")}}
		},
		Observe: func(Event) {
			select {
			case <-answered:
			case <-time.After(10 * time.Second):
				late = true
			}
		},
	}))
	review := admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: reviewV1, Kind: "AdmissionReview"},
		Request:  &admissionv1.AdmissionRequest{UID: "u", Object: runtime.RawExtension{Raw: []byte(`{"kind":"Pod"}`)}},
	}
	body, err := json.Marshal(review)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.Post(server.URL+"/inject", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != http.StatusOK {
		t.Errorf("status %s, %v", answer.Status, err)
	}
	answer.Body.Close()
	close(answered)
	server.Close() // waits for the handler
	if late {
		t.Error("the answer came only after the observer was done")
	}
}

// BenchmarkEdge is what this package costs around the engine, for a pod of about
// 8 KB.
func BenchmarkEdge(b *testing.B) {
	pod := fmt.Sprintf(`{"metadata":{"annotations":{"a":%q}}}`, strings.Repeat("x", 8000))
	data, _ := json.Marshal(podReview(func(r *admissionv1.AdmissionRequest) { r.Object.Raw = []byte(pod) }))
	h := NewHandler(Config{Engine: func() Engine { return &engine{result: injected} }, Observe: func(Event) {}})
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		req := httptest.NewRequest(http.MethodPost, "/inject", bytes.NewReader(data))
		req.Header.Set("Content-Type", "application/json")
		h.ServeHTTP(httptest.NewRecorder(), req)
	}
}

func FuzzHandler(f *testing.F) {
	good, _ := json.Marshal(podReview(nil))
	f.Add(good)
	f.Add([]byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"object":"` + base64.StdEncoding.EncodeToString(good) + `"}}`))
	f.Add([]byte(`{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview","request":{"dryRun":null,"kind":null,"object":[]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r := newRig(injected)
		w := r.post("/inject", bytes.NewReader(body))
		switch w.Code {
		case http.StatusOK:
			var got admissionv1.AdmissionReview
			decode(t, w, &got)
			if got.Response == nil || (got.Response.Allowed == (got.Response.Result != nil)) {
				t.Errorf("%s", w.Body)
			}
		case http.StatusBadRequest:
		default:
			t.Errorf("got %d %s", w.Code, w.Body)
		}
		if len(r.events) != 1 || r.events[0].Stack != nil {
			t.Errorf("observed %+v", r.events)
		}
	})
}
