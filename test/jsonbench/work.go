package jsonbench

import (
	"fmt"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/pods"
)

// Input is one pod as the injector gets it, and what it would answer.
type Input struct {
	Name string
	// Review is the AdmissionReview, Raw the pod in it, both as JSON.
	Review, Raw []byte
	Answer      *admissionv1.AdmissionReview
}

// Inputs makes the three pods of the benchmarks.
func Inputs() ([]Input, error) {
	shapes, err := pods.Shapes("")
	if err != nil {
		return nil, err
	}
	var inputs []Input
	for _, s := range shapes {
		reviews, err := pods.NewReviews(s.Pod)
		if err != nil {
			return nil, err
		}
		raw, err := reviews.Pod(1, 1)
		if err != nil {
			return nil, err
		}
		patchType := admissionv1.PatchTypeJSONPatch
		inputs = append(inputs, Input{
			Name: s.Name, Review: reviews.Review(1, 1), Raw: raw,
			Answer: &admissionv1.AdmissionReview{Response: &admissionv1.AdmissionResponse{
				UID: "705ab4f5-6393-11e8-b7cc-000000010001", Allowed: true, PatchType: &patchType,
				// As long as the patch of an ordinary sidecar.
				Patch:            make([]byte, 8<<10),
				AuditAnnotations: map[string]string{"decision": "policy-enabled", "templates": "sidecar"},
			}},
		})
	}
	return inputs, nil
}

// Decode reads a review and then the pod in it.
func (c Candidate) Decode(in Input) (*corev1.Pod, error) {
	var review admissionv1.AdmissionReview
	if err := c.Unmarshal(in.Review, &review); err != nil {
		return nil, fmt.Errorf("%s: review of %s: %w", c.Name, in.Name, err)
	}
	pod := new(corev1.Pod)
	if err := c.Unmarshal(review.Request.Object.Raw, pod); err != nil {
		return nil, fmt.Errorf("%s: pod %s: %w", c.Name, in.Name, err)
	}
	return pod, nil
}
