package injectcheck

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// answers is an API server that gives these answers one after the other, and
// the last one for ever.
type answers struct {
	give []func(*corev1.Pod) (*corev1.Pod, error)
	got  []*corev1.Pod
	opts metav1.CreateOptions
}

func (a *answers) Create(_ context.Context, pod *corev1.Pod, o metav1.CreateOptions) (*corev1.Pod, error) {
	a.got, a.opts = append(a.got, pod.DeepCopy()), o
	answer := a.give[min(len(a.got), len(a.give))-1]
	return answer(pod.DeepCopy())
}

func withSidecar(pod *corev1.Pod) (*corev1.Pod, error) {
	pod.Annotations = map[string]string{"sidecar.istio.io/status": "{}"}
	pod.Spec.InitContainers = append(pod.Spec.InitContainers, corev1.Container{Name: "proxy"})
	return pod, nil
}

func bare(pod *corev1.Pod) (*corev1.Pod, error) { return pod, nil }

func ofAnotherInjector(pod *corev1.Pod) (*corev1.Pod, error) {
	pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: "foreign"})
	return pod, nil
}

func onlyWhenAsked(pod *corev1.Pod) (*corev1.Pod, error) {
	if pod.Labels[askLabel] == "true" {
		return withSidecar(pod)
	}
	return bare(pod)
}

func failing(err error) func(*corev1.Pod) (*corev1.Pod, error) {
	return func(*corev1.Pod) (*corev1.Pod, error) { return nil, err }
}

func TestCheck(t *testing.T) {
	pods := schema.GroupResource{Resource: "pods"}
	webhookAway := apierrors.NewInternalError(errors.New(`failed calling webhook "sidecar-injector.istio.io": connection refused`))
	for _, c := range []struct {
		name    string
		give    []func(*corev1.Pod) (*corev1.Pod, error)
		labels  labels.Set
		prints  string
		fails   string
		creates int // 0: as many as fit into the timeout
	}{
		{name: "injected at once", give: []func(*corev1.Pod) (*corev1.Pod, error){withSidecar}, prints: "injected: proxy\n", creates: 1},
		{name: "injected when asked for", give: []func(*corev1.Pod) (*corev1.Pod, error){onlyWhenAsked}, prints: "injected: proxy; the pod had to ask with the label sidecar.istio.io/inject=true\n", creates: 2},
		{name: "no injector ready yet", give: []func(*corev1.Pod) (*corev1.Pod, error){failing(webhookAway), failing(apierrors.NewForbidden(pods, "", errors.New("not yet"))), withSidecar}, prints: "injected: proxy\n", creates: 3},
		{name: "never injected", give: []func(*corev1.Pod) (*corev1.Pod, error){bare}, fails: "no injected pod within 50ms: a pod in namespace apps came back without a sidecar"},
		{name: "another injector only", give: []func(*corev1.Pod) (*corev1.Pod, error){ofAnotherInjector}, fails: "came back without a sidecar"},
		{name: "webhook never there", give: []func(*corev1.Pod) (*corev1.Pod, error){failing(webhookAway)}, fails: "connection refused"},
		{name: "refused by the injector", give: []func(*corev1.Pod) (*corev1.Pod, error){failing(errors.New(`admission webhook "sidecar-injector.istio.io" denied the request: template sidecar: line 3`))}, fails: "template sidecar: line 3", creates: 1},
		{name: "no such namespace", give: []func(*corev1.Pod) (*corev1.Pod, error){failing(apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "apps"))}, fails: "namespace apps does not exist", creates: 1},
		{name: "pod security", give: []func(*corev1.Pod) (*corev1.Pod, error){failing(apierrors.NewForbidden(pods, "x", errors.New(`violates PodSecurity "restricted:latest"`)))}, fails: "pod-security.kubernetes.io/enforce", creates: 1},
		{name: "labels of the user's", give: []func(*corev1.Pod) (*corev1.Pod, error){withSidecar}, labels: labels.Set{"a": "b"}, prints: "injected: proxy\n", creates: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := &answers{give: c.give}
			var out strings.Builder
			k := &Check{Pods: server, Namespace: "apps", Labels: c.labels, Pause: time.Millisecond, Out: &out}
			err := k.Run(t.Context(), 50*time.Millisecond)
			if c.fails == "" && err != nil || c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)) {
				t.Errorf("failed with %v, want %q", err, c.fails)
			}
			if out.String() != c.prints {
				t.Errorf("printed %q, want %q", out.String(), c.prints)
			}
			if c.creates != 0 && len(server.got) != c.creates {
				t.Errorf("asked %d times, want %d", len(server.got), c.creates)
			}
			if len(server.opts.DryRun) != 1 || server.opts.DryRun[0] != metav1.DryRunAll {
				t.Errorf("not a dry run: %+v", server.opts)
			}
			if got := server.got[0].Labels; !labels.Equals(got, c.labels) {
				t.Errorf("first pod had labels %v, want %v", got, c.labels)
			}
		})
	}
}
