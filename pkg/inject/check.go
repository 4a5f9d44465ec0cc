package inject

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/aliases"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render"
)

// Check injects a few sample pods with the default templates, whatever policy
// and selectors say, and returns what goes wrong: mistakes in a template that
// show only when it is executed. It costs a few milliseconds.
func (s *Snapshot) Check(ctx context.Context) error {
	var errs []error
	for _, pod := range samples() {
		if err := s.try(ctx, pod); err != nil {
			errs = append(errs, &sampleError{pod.Name, err})
		}
	}
	return errors.Join(errs...)
}

// sampleError is why a sample pod cannot be injected.
type sampleError struct {
	pod string
	err error
}

func (e *sampleError) Error() string { return fmt.Sprintf("sample pod %q: %v", e.pod, e.err) }
func (e *sampleError) Unwrap() error { return e.err }

// Public is the error without what the templates say: what cannot be merged is a part
// of a rendered text.
func (e *sampleError) Public() string {
	problem := "the rendered templates do not make a pod"
	var mistake *render.Error
	var large *aliases.Error
	switch {
	case errors.As(e.err, &mistake):
		problem = mistake.Public()
	case errors.As(e.err, &large):
		problem = "in a rendered template " + large.Error()
	}
	return fmt.Sprintf("sample pod %q: %s", e.pod, problem)
}

// Warnings returns what is no error but is probably not what the author of the
// configuration wants: the notes of the configuration, and fields that templates
// give to the samples and that this version does not know. Such a field is passed
// on as it is, and the API server drops it if it does not know it either. It is
// more often a misspelling than a field of a newer Kubernetes.
func (s *Snapshot) Warnings() []string {
	out := slices.Clone(s.config.Notes)
	for _, pod := range samples() {
		for _, warning := range s.unknownFields(pod) {
			if !slices.Contains(out, warning) {
				out = append(out, warning)
			}
		}
	}
	return out
}

// unknownFields renders the default templates for a pod and lists unknown fields.
// Errors are left to Check.
func (s *Snapshot) unknownFields(pod *corev1.Pod) (out []string) {
	defer func() { _ = recover() }()
	if s.config.Dialect == config.Classic {
		return nil
	}
	r := s.sampleRequest(context.Background(), pod)
	if r.prepare() != nil {
		return nil
	}
	overlays, err := r.render(r.received)
	if err != nil {
		return nil
	}
	for _, o := range overlays {
		for _, path := range o.overlay.Unknown().Paths() {
			out = append(out, fmt.Sprintf("template %q: %s is not a field of a pod that this version knows, it is passed on unchecked", o.template, path))
		}
	}
	return out
}

// try injects a pod, whatever policy and selectors say.
func (s *Snapshot) try(ctx context.Context, pod *corev1.Pod) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = panicked(r)
		}
	}()
	_, err = s.sampleRequest(ctx, pod).inject()
	return err
}

// trial injects a pod as try does, and returns what became of it.
func (s *Snapshot) trial(ctx context.Context, pod *corev1.Pod) (t Trial, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = panicked(r)
		}
	}()
	r := s.sampleRequest(ctx, pod)
	injected, err := r.inject()
	if err != nil {
		return Trial{}, err
	}
	object, err := injected.MarshalJSON()
	return Trial{Name: pod.Name, Templates: r.templates, Pod: object}, err
}

func (s *Snapshot) sampleRequest(ctx context.Context, pod *corev1.Pod) *request {
	return s.newRequest(ctx, &Request{Namespace: "default"}, &podmodel.Pod{Pod: pod})
}

// samples are pods that make templates take their different ways.
func samples() []*corev1.Pod {
	plain := samplePod("plain", nil, corev1.Container{Name: "app", Image: "app"})

	port := corev1.ContainerPort{Name: "http", ContainerPort: 8080}
	probe := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Port: intstr.FromString("http")}}}
	served := samplePod("served", map[string]string{"prometheus.io/port": "8080"}, corev1.Container{
		Name: "app", Image: "app", Ports: []corev1.ContainerPort{port}, ReadinessProbe: probe, LivenessProbe: probe,
	})
	served.Labels = map[string]string{"app": "served", "version": "v1", "pod-template-hash": "abc"}
	served.GenerateName = "served-abc-"
	controller := true
	served.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "served-abc", Controller: &controller}}

	overridden := samplePod("overridden", nil,
		corev1.Container{Name: "app", Image: "app"},
		corev1.Container{Name: "istio-proxy", Image: autoImage, Env: []corev1.EnvVar{{Name: "EXAMPLE", Value: "1"}}})
	overridden.Spec.InitContainers = []corev1.Container{{Name: "setup", Image: "setup"}}
	overridden.Spec.ServiceAccountName = "example"
	return []*corev1.Pod{plain, served, overridden}
}

func samplePod(name string, annotations map[string]string, containers ...corev1.Container) *corev1.Pod {
	return &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{Kind: "Pod", APIVersion: "v1"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: annotations},
		Spec:       corev1.PodSpec{Containers: containers},
	}
}
