// Package injectcheck asks a cluster for a pod, as a dry run, and looks whether it
// was injected: the whole way through the API server, as a user's pod goes it.
package injectcheck

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/ptr"
)

// PodCreator creates pods in one namespace; clients of client-go fit.
type PodCreator interface {
	Create(context.Context, *corev1.Pod, metav1.CreateOptions) (*corev1.Pod, error)
}

// Check asks for a pod and looks whether it was injected.
type Check struct {
	Pods      PodCreator
	Namespace string        // of Pods, for messages
	Labels    labels.Set    // of the pod
	Pause     time.Duration // between two attempts
	Out       io.Writer     // gets one line about what was added
}

// permanentError is a failure that another attempt would not mend.
type permanentError struct{ error }

func (e permanentError) Unwrap() error { return e.error }

// Run tries until a pod comes back injected, an attempt fails for good, or the
// timeout is over. Then it returns the last reason.
func (c *Check) Run(ctx context.Context, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var last error
	err := wait.PollUntilContextCancel(ctx, c.Pause, true, func(ctx context.Context) (bool, error) {
		err := c.once(ctx)
		if permanent := (permanentError{}); errors.As(err, &permanent) {
			return false, permanent.error
		}
		if err != nil && ctx.Err() == nil {
			last = err
		}
		return err == nil, nil
	})
	if err != nil && ctx.Err() != nil && last != nil {
		return fmt.Errorf("no injected pod within %s: %w", timeout, last)
	}
	return err
}

// once creates the pod as the configuration sees it, and, where nothing asks for
// injection, once more as one that asks.
func (c *Check) once(ctx context.Context) error {
	pod, err := c.create(ctx, c.Labels)
	if err != nil {
		return err
	}
	found, asked := injected(pod), ""
	if found == "" && c.Labels[askLabel] == "" {
		asked = "; the pod had to ask with the label " + askLabel + "=true"
		if pod, err = c.create(ctx, labels.Merge(c.Labels, labels.Set{askLabel: "true"})); err != nil {
			return err
		}
		found = injected(pod)
	}
	if found == "" {
		return fmt.Errorf("a pod in namespace %s came back without a sidecar: check the namespace's labels against the webhook configuration's namespaceSelector", c.Namespace)
	}
	_, err = fmt.Fprintf(c.Out, "injected: %s%s\n", found, asked)
	return err
}

const askLabel = "sidecar.istio.io/inject"

func (c *Check) create(ctx context.Context, podLabels labels.Set) (*corev1.Pod, error) {
	pod, err := c.Pods.Create(ctx, newPod(podLabels), metav1.CreateOptions{
		DryRun:          []string{metav1.DryRunAll},
		FieldManager:    "sidecar-injector-check",
		FieldValidation: metav1.FieldValidationStrict,
	})
	switch {
	case err == nil:
		return pod, nil
	case apierrors.IsNotFound(err) && strings.Contains(err.Error(), "namespaces"):
		return nil, permanentError{fmt.Errorf("namespace %s does not exist: create it and label it for injection", c.Namespace)}
	case strings.Contains(err.Error(), "violates PodSecurity"):
		return nil, permanentError{fmt.Errorf("the injected pod breaks the level that namespace %s enforces with the label pod-security.kubernetes.io/enforce: %w", c.Namespace, err)}
	case strings.Contains(err.Error(), "denied the request"):
		return nil, permanentError{err}
	}
	return nil, err
}

// newPod returns a pod that every namespace lets in, whatever it enforces.
func newPod(podLabels labels.Set) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "sidecar-injector-check-", Labels: podLabels},
		Spec: corev1.PodSpec{
			AutomountServiceAccountToken: ptr.To(false),
			RestartPolicy:                corev1.RestartPolicyNever,
			Containers: []corev1.Container{{
				Name:  "app",
				Image: "registry.invalid/check", // never pulled
				SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: ptr.To(false),
					RunAsNonRoot:             ptr.To(true),
					Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
					SeccompProfile:           &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
				},
			}},
		},
	}
}

// injected lists what was added to the pod of the check; "" when an injector
// did not leave its status there, whatever else was added.
func injected(pod *corev1.Pod) string {
	if pod.Annotations["sidecar.istio.io/status"] == "" {
		return ""
	}
	var added []string
	for _, c := range pod.Spec.InitContainers {
		added = append(added, c.Name)
	}
	for _, c := range pod.Spec.Containers {
		if c.Name != "app" {
			added = append(added, c.Name)
		}
	}
	return strings.Join(added, ", ")
}
