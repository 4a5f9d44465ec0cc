package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/admission"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/measure"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/pods"
)

// Floor is what no webhook in Go that looks at a pod can do without, as it is
// done first: read the AdmissionReview, read the pod, answer 'allowed', with the
// standard library.
func Floor() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		var review admissionv1.AdmissionReview
		if err := json.Unmarshal(body, &review); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		var pod corev1.Pod
		if err := json.Unmarshal(review.Request.Object.Raw, &pod); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer, err := json.Marshal(admissionv1.AdmissionReview{
			TypeMeta: review.TypeMeta,
			Response: &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true},
		})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = w.Write(answer) // a recorder never fails
	})
}

// Handler is the injector's own, without anything to observe it.
func Handler(s *inject.Snapshot) http.Handler {
	return admission.NewHandler(admission.Config{
		Engine:  func() admission.Engine { return s },
		Observe: func(admission.Event) {},
	})
}

// Call sends one review through a handler and returns the answer.
func Call(h http.Handler, review []byte) *httptest.ResponseRecorder {
	request := httptest.NewRequest(http.MethodPost, "/inject", bytes.NewReader(review))
	request.Header.Set("Content-Type", "application/json")
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, request)
	return recorder
}

// Mode says how much of what is known of one pod helps with the next.
type Mode string

// The two modes.
const (
	// Cold: every pod belongs to another workload.
	Cold Mode = "cold"
	// Warm: one more replica of a workload that many came of.
	Warm Mode = "warm"
)

// Identity returns workload and replica of the n-th pod.
func (m Mode) Identity(n int) (workload, replica uint32) {
	if m == Warm {
		return 1, uint32(n)
	}
	return uint32(n), uint32(n)
}

// Subject measures a handler on pods of a shape. Before anything is measured it
// answers one review, and answer, if given, looks at that.
func Subject(name string, h http.Handler, shape pods.Shape, mode Mode, answer func([]byte) error) (measure.Subject, error) {
	reviews, err := pods.NewReviews(shape.Pod)
	if err != nil {
		return measure.Subject{}, err
	}
	// The first identity is not met again: those that are measured count from 1.
	first := Call(h, reviews.Review(mode.Identity(0)))
	if first.Code != http.StatusOK {
		return measure.Subject{}, fmt.Errorf("%s answers pod %s with status %d: %s", name, shape.Name, first.Code, first.Body)
	}
	if answer != nil {
		if err := answer(first.Body.Bytes()); err != nil {
			return measure.Subject{}, fmt.Errorf("%s, pod %s: %w", name, shape.Name, err)
		}
	}
	return measure.Subject{Name: name, Do: func(start, n int) {
		for i := range n {
			if got := Call(h, reviews.Review(mode.Identity(1+start+i))); got.Code != http.StatusOK {
				// It answered this pod's like a moment ago: nothing measured is worth anything.
				panic(fmt.Sprintf("%s: status %d: %s", name, got.Code, got.Body))
			}
		}
	}}, nil
}

// Injected makes sure that an answer lets the pod in with a patch.
func Injected(body []byte) error {
	var review admissionv1.AdmissionReview
	if err := json.Unmarshal(body, &review); err != nil {
		return fmt.Errorf("the answer is no AdmissionReview: %w", err)
	}
	switch r := review.Response; {
	case r == nil:
		return fmt.Errorf("the answer has no response")
	case !r.Allowed:
		return fmt.Errorf("refused: %s", r.Result.Message)
	case len(r.Patch) == 0:
		return fmt.Errorf("let in without a patch: %v", r.AuditAnnotations)
	}
	return nil
}
