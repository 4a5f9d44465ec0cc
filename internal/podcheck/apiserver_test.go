//go:build integration

package podcheck

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/lab"
)

// How many pods an API server is asked about, and of those that it refuses, the least
// that it must find, of 100. The others need what problemsOf leaves out, see its package comment.
const (
	pods  = 6000
	short = 1000
	least = 90
)

// Whatever a real API server accepts, problemsOf finds nothing wrong with; and it finds most
// of what the API server refuses.
func TestAgainstAPIServer(t *testing.T) {
	create := connect(t)
	if err := create(valid()); err != nil {
		t.Fatalf("the pod that all begin with: %v", err)
	}
	rounds := pods
	if testing.Short() {
		rounds = short
	}
	accepted, refused, found, wrong := 0, 0, 0, 0
	missed := map[string]int{}
	for seed := range rounds {
		r := rand.New(rand.NewPCG(uint64(seed), 7))
		pod := valid()
		for range 1 + r.IntN(2) {
			mutate(r, reflect.ValueOf(pod).Elem())
		}
		problems := problemsOf(pod)
		switch err := create(pod.DeepCopy()); {
		case err == nil:
			accepted++
			if len(problems) > 0 {
				wrong++
				text, _ := json.Marshal(pod)
				t.Errorf("seed %d: the API server accepts what is refused for %+v\n%s", seed, problems, text)
			}
		case apierrors.IsInvalid(err) || apierrors.IsBadRequest(err):
			refused++
			if len(problems) > 0 {
				found++
			} else {
				missed[err.Error()]++
			}
		case apierrors.IsForbidden(err): // by an admission plugin, which depends on the cluster
		default:
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
	if testing.Verbose() {
		for text := range missed {
			t.Logf("left out: %.300s", text)
		}
	}
	lab.Figure(t, fmt.Sprintf("podcheck: pods %d, accepted by the API server %d, refused %d, found of these %d, refused wrongly %d", rounds, accepted, refused, found, wrong))
	if 100*found < least*refused {
		t.Errorf("found %d of %d pods that the API server refuses, want %d of 100", found, refused, least)
	}
	if accepted < rounds/10 || refused < rounds/10 {
		t.Errorf("accepted %d and refused %d of %d: too few to say anything", accepted, refused, rounds)
	}
}

// connect returns a function that has the API server of KUBECONFIG try to create a pod.
func connect(t *testing.T) func(*corev1.Pod) error {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		t.Fatalf("KUBECONFIG must name a cluster for tests: %v", err)
	}
	config.QPS, config.WarningHandler = -1, rest.NoWarnings{}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	ns, err := client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "podcheck-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.CoreV1().Namespaces().Delete(context.Background(), ns.Name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	return func(pod *corev1.Pod) error {
		_, err := client.CoreV1().Pods(ns.Name).Create(t.Context(), pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict})
		return err
	}
}
