package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
)

// checkPause is the time between two tries of the check.
const checkPause = 500 * time.Millisecond

// checkCommand asks a cluster for a pod and looks whether it was injected: the
// whole way through the API server, as a user's pod goes it.
func (p *program) checkCommand() *cobra.Command {
	var kubeconfig, namespace string
	var podLabels map[string]string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Say whether a pod created in a namespace gets the sidecar",
		Long: `check asks the API server, as a dry run, for a pod in the namespace, and looks
whether it comes back injected. Nothing is created. What is normal right after an
installation is tried again until the timeout. It needs the right to create pods
in that namespace, and nothing else.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p.started = true
			var errs []error
			if namespace == "" {
				errs = append(errs, errors.New(`invalid --namespace "": must name the namespace to create the pod in`))
			}
			if timeout <= 0 {
				errs = append(errs, fmt.Errorf("invalid --timeout %q: must be longer than 0", timeout))
			}
			if err := errors.Join(errs...); err != nil {
				return usageError{err}
			}
			config, err := kube.Config(kubeconfig, "sidecar-injector-check")
			if err != nil {
				return err
			}
			config.WarningHandlerWithContext = warningsTo{p.stdout}
			client, err := kube.NewClients(config)
			if err != nil {
				return err
			}
			c := &check{pods: client.Pods(namespace), namespace: namespace, labels: podLabels, pause: checkPause, out: p.stdout}
			return c.run(cmd.Context(), timeout)
		},
	}
	cmd.Flags().StringVar(&kubeconfig, "kubeconfig", "", "kubeconfig `file` for use outside a cluster; empty uses the pod's service account")
	cmd.Flags().StringVar(&namespace, "namespace", "", "`namespace` whose pods are to be injected")
	cmd.Flags().StringToStringVar(&podLabels, "labels", nil, "`labels` of the pod, key=value, comma separated")
	cmd.Flags().DurationVar(&timeout, "timeout", time.Minute, "how long to go on trying")
	return cmd
}

type warningsTo struct{ out io.Writer }

func (w warningsTo) HandleWarningHeaderWithContext(_ context.Context, code int, _, text string) {
	if code == 299 && text != "" {
		fmt.Fprintln(w.out, "warning: "+text)
	}
}

var _ rest.WarningHandlerWithContext = warningsTo{}

type podCreator interface {
	Create(context.Context, *corev1.Pod, metav1.CreateOptions) (*corev1.Pod, error)
}

type check struct {
	pods      podCreator
	namespace string
	labels    labels.Set
	pause     time.Duration
	out       io.Writer
}

// final is a failure that another try would not mend.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// run tries until a pod comes back injected, a try fails for good, or the
// timeout is over; then it returns the last reason.
func (c *check) run(ctx context.Context, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var last error
	err := wait.PollUntilContextCancel(ctx, c.pause, true, func(ctx context.Context) (bool, error) {
		err := c.once(ctx)
		if f := (final{}); errors.As(err, &f) {
			return false, f.error
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
func (c *check) once(ctx context.Context) error {
	pod, err := c.create(ctx, c.labels)
	if err != nil {
		return err
	}
	found, asked := injected(pod), ""
	if found == "" && c.labels[askLabel] == "" {
		asked = "; the pod had to ask with the label " + askLabel + "=true"
		if pod, err = c.create(ctx, labels.Merge(c.labels, labels.Set{askLabel: "true"})); err != nil {
			return err
		}
		found = injected(pod)
	}
	if found == "" {
		return fmt.Errorf("a pod in namespace %s came back without a sidecar: check the namespace's labels against the webhook configuration's namespaceSelector", c.namespace)
	}
	_, err = fmt.Fprintf(c.out, "injected: %s%s\n", found, asked)
	return err
}

const askLabel = "sidecar.istio.io/inject"

func (c *check) create(ctx context.Context, podLabels labels.Set) (*corev1.Pod, error) {
	pod, err := c.pods.Create(ctx, checkPod(podLabels), metav1.CreateOptions{
		DryRun:          []string{metav1.DryRunAll},
		FieldManager:    "sidecar-injector-check",
		FieldValidation: metav1.FieldValidationStrict,
	})
	switch {
	case err == nil:
		return pod, nil
	case apierrors.IsNotFound(err) && strings.Contains(err.Error(), "namespaces"):
		return nil, final{fmt.Errorf("namespace %s does not exist: create it and label it for injection", c.namespace)}
	case strings.Contains(err.Error(), "violates PodSecurity"):
		return nil, final{fmt.Errorf("the injected pod breaks the level that namespace %s enforces with the label pod-security.kubernetes.io/enforce: %w", c.namespace, err)}
	case strings.Contains(err.Error(), "denied the request"):
		return nil, final{err}
	}
	return nil, err
}

// checkPod is a pod that every namespace lets in, whatever it enforces.
func checkPod(podLabels labels.Set) *corev1.Pod {
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
