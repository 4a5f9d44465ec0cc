package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	corev1apply "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/rest"
)

// fieldManager owns the fields that Namespace sets.
const fieldManager = "istio-sidecar-injector-lab"

// Namespace creates the namespace, or adds the labels to the one that is there.
func (l *Lab) Namespace(ctx context.Context, name string, labels map[string]string) error {
	_, err := l.Client.CoreV1().Namespaces().Apply(ctx,
		corev1apply.Namespace(name).WithLabels(labels),
		metav1.ApplyOptions{FieldManager: fieldManager, Force: true})
	if err != nil {
		return fmt.Errorf("namespace %s: %w", name, err)
	}
	return nil
}

// DeleteNamespace deletes the namespace and waits until it is gone.
func (l *Lab) DeleteNamespace(ctx context.Context, name string) error {
	err := l.Client.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("namespace %s: %w", name, err)
	}
	return poll(ctx, fmt.Sprintf("namespace %s to be gone", name), func(ctx context.Context) (bool, error) {
		_, err := l.Client.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		return false, err
	})
}

// Deployment creates the deployment, or replaces the one of that name.
func (l *Lab) Deployment(ctx context.Context, want *appsv1.Deployment) error {
	deployments := l.Client.AppsV1().Deployments(want.Namespace)
	_, err := deployments.Create(ctx, want, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		_, err = deployments.Update(ctx, want, metav1.UpdateOptions{})
	}
	if err != nil {
		return fmt.Errorf("deployment %s/%s: %w", want.Namespace, want.Name, err)
	}
	return nil
}

// Restart makes the deployment replace its pods, as kubectl rollout restart
// does, by a change of the pod template that names the time.
func (l *Lab) Restart(ctx context.Context, namespace, name string, at time.Time) error {
	patch := fmt.Sprintf(`{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":%q}}}}}`, at.Format(time.RFC3339Nano))
	_, err := l.Client.AppsV1().Deployments(namespace).Patch(ctx, name, types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{})
	if err != nil {
		return fmt.Errorf("restart deployment %s/%s: %w", namespace, name, err)
	}
	return nil
}

// ReadyPod waits for a pod of the selector that is Ready, not going away, and
// accepted, and returns it.
func (l *Lab) ReadyPod(ctx context.Context, namespace, selector string, accept func(*corev1.Pod) bool) (*corev1.Pod, error) {
	var found *corev1.Pod
	last := "no pod"
	err := poll(ctx, fmt.Sprintf("a ready pod %s in namespace %s", selector, namespace), func(ctx context.Context) (bool, error) {
		pods, err := l.Client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
		if err != nil {
			return false, err
		}
		for i := range pods.Items {
			pod := &pods.Items[i]
			if pod.DeletionTimestamp != nil {
				continue
			}
			last = fmt.Sprintf("pod %s: %s", pod.Name, why(pod))
			if ready(pod) && accept(pod) {
				found = pod
				return true, nil
			}
		}
		return false, nil
	})
	if err != nil {
		return nil, fmt.Errorf("%w; last seen: %s", err, last)
	}
	return found, nil
}

func ready(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// why says in a few words what a pod is waiting for.
func why(pod *corev1.Pod) string {
	for _, list := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		for _, s := range list {
			if w := s.State.Waiting; w != nil {
				return fmt.Sprintf("container %s waits: %s %s", s.Name, w.Reason, w.Message)
			}
			if t := s.State.Terminated; t != nil && t.ExitCode != 0 {
				return fmt.Sprintf("container %s ended with status %d: %s", s.Name, t.ExitCode, t.Message)
			}
		}
	}
	for _, c := range pod.Status.Conditions {
		if c.Status != corev1.ConditionTrue {
			return fmt.Sprintf("phase %s, not %s: %s", pod.Status.Phase, c.Type, c.Message)
		}
	}
	return string(pod.Status.Phase)
}

// Request gets a path from a port of a pod by way of the API server, which
// needs no route from here to the pod.
func (l *Lab) Request(ctx context.Context, pod *corev1.Pod, port int, path string) (http.Header, string, error) {
	client, err := rest.HTTPClientFor(l.Config)
	if err != nil {
		return nil, "", err
	}
	url := l.Client.CoreV1().RESTClient().Get().Namespace(pod.Namespace).Resource("pods").
		Name(fmt.Sprintf("%s:%d", pod.Name, port)).SubResource("proxy").Suffix(path).URL()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url.String(), nil)
	if err != nil {
		return nil, "", err
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, "", fmt.Errorf("request to pod %s: %w", pod.Name, err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return nil, "", fmt.Errorf("answer of pod %s: %w", pod.Name, err)
	}
	if answer.StatusCode != http.StatusOK {
		return nil, "", fmt.Errorf("pod %s answered %s: %s", pod.Name, answer.Status, body)
	}
	return answer.Header, string(body), nil
}

// poll asks until the answer is yes or the context ends. A failing question is
// asked again: API servers restart in these tests. The last failure is said.
func poll(ctx context.Context, what string, ask func(context.Context) (bool, error)) error {
	var last error
	err := wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		ok, err := ask(ctx)
		if err != nil && ctx.Err() == nil {
			last = err
		}
		return ok && err == nil, nil
	})
	if err != nil {
		return errors.Join(fmt.Errorf("waited for %s: %w", what, err), last)
	}
	return nil
}
