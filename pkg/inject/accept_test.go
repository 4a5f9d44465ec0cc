//go:build integration

package inject_test

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

// What a real API server takes before the injection it takes after it: types,
// validation, defaults and Pod Security are the API server's own here.
func TestAnAPIServerAcceptsWhatIsInjected(t *testing.T) {
	pods := connect(t)
	tried := 0
	forAll(t, func(t *testing.T, _ *generator, s *inject.Snapshot, pod *corev1.Pod, _ []byte) {
		pod = creatable(pod)
		if dryRun(t, pods, pod) != nil {
			return // not a pod in the first place
		}
		object, err := json.Marshal(pod)
		if err != nil {
			t.Fatal(err)
		}
		var after corev1.Pod
		if err := json.Unmarshal(injected(t, s, object), &after); err != nil {
			t.Fatal(err)
		}
		tried++
		if err := dryRun(t, pods, &after); err != nil {
			t.Errorf("not accepted once it is injected: %v", err)
		}
	})
	if least := rounds(t); tried < least {
		t.Errorf("only %d pods were tried, the API server refused the others as they came; want %d at least", tried, least)
	}
	t.Logf("%d pods accepted before and after", tried)
}

func connect(t *testing.T) podClient {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		t.Fatalf("KUBECONFIG must name a cluster for tests: %v", err)
	}
	config.QPS = -1
	config.WarningHandler = rest.NoWarnings{}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	ns, err := client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "accept-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.CoreV1().Namespaces().Delete(context.Background(), ns.Name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	return client.CoreV1().Pods(ns.Name)
}

type podClient interface {
	Create(context.Context, *corev1.Pod, metav1.CreateOptions) (*corev1.Pod, error)
}

func dryRun(t *testing.T, pods podClient, pod *corev1.Pod) error {
	t.Helper()
	_, err := pods.Create(t.Context(), pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict})
	return err
}

// creatable drops what nobody can set when a pod is created, or what names
// objects that this cluster does not have, and adds the volumes that are missing.
func creatable(pod *corev1.Pod) *corev1.Pod {
	pod = pod.DeepCopy()
	pod.Namespace, pod.UID = "", ""
	pod.OwnerReferences = nil
	pod.Spec.NodeName, pod.Spec.ServiceAccountName = "", ""
	pod.Spec.EphemeralContainers = nil
	for i := range pod.Spec.InitContainers {
		if c := &pod.Spec.InitContainers[i]; c.RestartPolicy == nil {
			c.LivenessProbe, c.ReadinessProbe, c.StartupProbe, c.Lifecycle = nil, nil, nil, nil
		}
	}
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		for _, m := range c.VolumeMounts {
			if !slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name }) {
				pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: m.Name})
			}
		}
	}
	return pod
}

// What an API server makes of an injected pod, with its defaults and the service
// account's mount, comes again where webhooks are called twice. Lists that allow pods
// nothing must not refuse it.
func TestAllowListsTakeWhatAnAPIServerMakesOfAnInjectedPod(t *testing.T) {
	pods := connect(t)
	allowed, strict := lawSnapshots(t), map[string]*inject.Snapshot{}
	for name, s := range allowed {
		if s.Dialect() == config.Classic {
			continue
		}
		cfg := *s.Config()
		cfg.AllowedAnnotations, cfg.AllowedOverrides = config.AllowList{}, config.AllowList{}
		again, err := inject.Compile(&cfg, s.Options())
		if err != nil {
			t.Fatal(err)
		}
		strict[name] = again
	}
	tried := 0
	for name, s := range strict {
		for seed := range rounds(t) {
			g := newGenerator(uint64(seed))
			pod := creatable(g.pod())
			pod.Spec.Containers = slices.DeleteFunc(pod.Spec.Containers, func(c corev1.Container) bool { return c.Name == "istio-proxy" })
			object, err := json.Marshal(pod)
			if err != nil {
				t.Fatal(err)
			}
			res := s.Inject(t.Context(), inject.Request{Object: object})
			if res.Decision.Outcome != decide.Inject {
				continue // it asks for what is not allowed, or declines
			}
			stored, err := pods.Create(t.Context(), res.Pod.DeepCopy(), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
			if err != nil {
				continue // not a pod in the first place
			}
			tried++
			stored.APIVersion, stored.Kind = "v1", "Pod"
			if object, err = json.Marshal(stored); err != nil {
				t.Fatal(err)
			}
			if res := s.Inject(t.Context(), inject.Request{Object: object}); res.Decision.Outcome != decide.Inject {
				t.Fatalf("%s, seed %d: %s: %s\n%s", name, seed, res.Decision.Code, res.Decision.Message, object)
			}
		}
	}
	if least := rounds(t) / 10; tried < least {
		t.Errorf("only %d pods were tried, want %d at least", tried, least)
	}
	t.Logf("%d pods came again", tried)
}
