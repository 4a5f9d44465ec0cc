package pods

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Marks stand in a pod where its workload's and its own identity go. They are as
// long as what replaces them, so that the pod's size never changes.
const (
	workloadMark = "w0w1w2w3"
	replicaMark  = "r0r1r2r3"
	markLength   = len(workloadMark)
)

// Reviews makes AdmissionReviews about pods of one shape. It is for one
// goroutine.
type Reviews struct {
	body               []byte
	workload, replica  []int // where in the body the identities stand
	currentWorkload    uint32
	currentReplica     uint32
	hasCurrentIdentity bool
}

// NewReviews makes the AdmissionReviews of pods of the shape.
func NewReviews(shape *corev1.Pod) (*Reviews, error) {
	raw, err := json.Marshal(marked(shape))
	if err != nil {
		return nil, fmt.Errorf("pod %s: %w", shape.Name, err)
	}
	pod := metav1.GroupVersionKind{Version: "v1", Kind: "Pod"}
	resource := metav1.GroupVersionResource{Version: "v1", Resource: "pods"}
	body, err := json.Marshal(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"},
		Request: &admissionv1.AdmissionRequest{
			UID: "705ab4f5-6393-11e8-b7cc-" + replicaMark + "0001", Kind: pod, Resource: resource,
			RequestKind: &pod, RequestResource: &resource,
			Name: shape.Name, Namespace: "default", Operation: admissionv1.Create,
			Object: runtime.RawExtension{Raw: raw}, DryRun: new(false),
		},
	})
	if err != nil {
		return nil, fmt.Errorf("review of pod %s: %w", shape.Name, err)
	}
	r := &Reviews{body: body, workload: positions(body, workloadMark), replica: positions(body, replicaMark)}
	if len(r.workload) == 0 || len(r.replica) == 0 {
		return nil, fmt.Errorf("pod %s: nothing in it can tell workloads and replicas apart", shape.Name)
	}
	r.Review(0, 0)
	return r, nil
}

// Review returns the review of one replica of one workload. Pods of different
// workloads differ in their names, labels, images and annotations, replicas of
// one workload in the pod's name and uid and in the name of its token's volume. The slice is valid until the next call.
func (r *Reviews) Review(workload, replica uint32) []byte {
	if !r.hasCurrentIdentity || workload != r.currentWorkload {
		put(r.body, r.workload, workload)
	}
	if !r.hasCurrentIdentity || replica != r.currentReplica {
		put(r.body, r.replica, replica)
	}
	r.currentWorkload, r.currentReplica, r.hasCurrentIdentity = workload, replica, true
	return r.body
}

// Pod returns the pod of such a review as JSON, in memory of its own.
func (r *Reviews) Pod(workload, replica uint32) ([]byte, error) {
	var review admissionv1.AdmissionReview
	if err := json.Unmarshal(r.Review(workload, replica), &review); err != nil {
		return nil, err
	}
	return review.Request.Object.Raw, nil
}

func put(body []byte, at []int, id uint32) {
	const digits = "0123456789abcdef"
	var text [markLength]byte
	for i := range text {
		text[i] = digits[id>>(4*(markLength-1-i))&15]
	}
	for _, p := range at {
		copy(body[p:], text[:])
	}
}

func positions(body []byte, mark string) []int {
	var at []int
	for from := 0; ; {
		i := bytes.Index(body[from:], []byte(mark))
		if i < 0 {
			return at
		}
		at = append(at, from+i)
		from += i + len(mark)
	}
}

// marked puts marks wherever pods of different workloads, or replicas, differ.
func marked(shape *corev1.Pod) *corev1.Pod {
	p := shape.DeepCopy()
	workload := "shop-" + workloadMark
	replicaSet := workload + "-" + workloadMark
	p.GenerateName = replicaSet + "-"
	// The smallest pod has neither name nor uid, as one that its ReplicaSet has
	// only just asked for: the review's uid still tells replicas apart.
	if p.Name != "" {
		p.Name = p.GenerateName + replicaMark
	}
	if p.UID != "" {
		p.UID = "0f3c1c1e-8f0e-4a57-9c3e-" + replicaMark + "5c6d"
	}
	p.Labels["app"], p.Labels["pod-template-hash"] = workload, workloadMark
	for i := range p.OwnerReferences {
		p.OwnerReferences[i].Name = replicaSet
	}
	if p.Annotations != nil {
		p.Annotations["example.com/commit"] = workloadMark
	}
	if p.Spec.ServiceAccountName != "" {
		p.Spec.ServiceAccountName, p.Spec.DeprecatedServiceAccount = workload, workload
	}
	for _, list := range [][]corev1.Container{p.Spec.InitContainers, p.Spec.Containers} {
		for i := range list {
			list[i].Name += "-" + workloadMark
			list[i].Image += "-" + workloadMark
			for j := range list[i].VolumeMounts {
				markToken(&list[i].VolumeMounts[j].Name)
			}
		}
	}
	for i := range p.Spec.Volumes {
		markToken(&p.Spec.Volumes[i].Name)
		if m := p.Spec.Volumes[i].ConfigMap; m != nil {
			m.Name = workload
		}
	}
	return p
}

// markToken marks the name of the volume with the service account's token: API
// servers give each pod one of its own, replicas too.
func markToken(volume *string) {
	const prefix = "kube-api-access-"
	if strings.HasPrefix(*volume, prefix) {
		*volume = prefix + replicaMark
	}
}
