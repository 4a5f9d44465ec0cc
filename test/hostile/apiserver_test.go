//go:build integration && linux

package hostile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	admissionregistration "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/lab"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/engine"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/pods"
)

const (
	hostileSpace = "hostile"
	webhookName  = "hostile.sidecar-injector.example.com"
	// webhookTimeout is the chart's.
	webhookTimeout = 10 * time.Second
	// mostBody is what an API server takes of one request.
	mostBody = 3*mib - 1024
	// mostShort is the same in the short form: an API server itself needs seconds
	// for each of the largest pods.
	mostShort = 400 << 10
)

// TestHostileThroughAPIServer creates the hostile pods by a real API server, which
// asks the injector about what it lets through, while good pods are created.
func TestHostileThroughAPIServer(t *testing.T) {
	most, atMost := mostShort, 4*time.Minute
	if os.Getenv(modeEnv) == "long" {
		most, atMost = mostBody, 40*time.Minute
	}
	bodies := map[string][]byte{}
	for _, c := range allCases() {
		if c.pod == nil || c.direct || !wanted(c.name) {
			continue
		}
		if pod := anyName(c.pod()); len(pod) <= most {
			bodies[c.name] = pod
		}
	}
	if len(bodies) == 0 {
		t.Skip("none of the cases wanted goes through an API server")
	}
	ctx, cancel := context.WithTimeout(t.Context(), atMost)
	defer cancel()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	setups, err := engine.Setups(root, "")
	if err != nil {
		t.Fatal(err)
	}
	if g, err := newGroup(fmt.Sprintf("hostile-%d", os.Getpid())); err != nil {
		t.Skip(err) // TestHostile says so
	} else if err := g.remove(); err != nil {
		t.Fatal(err)
	}
	l, _ := lab.ControlPlaneFor(ctx, t, "hostile")
	s, err := startInjector(ctx, filepath.Join(root, "bin", "sidecar-injector"), t.TempDir(), setups[0])
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	}()
	if err := callInjector(ctx, l, s); err != nil {
		t.Fatal(err)
	}
	c, err := newCreations(l)
	if err != nil {
		t.Fatal(err)
	}
	good := c.startGood(ctx)
	right := 0
	for name, pod := range bodies {
		t.Run(name, func(t *testing.T) {
			wrong, note := c.attack(ctx, pod)
			if len(wrong) == 0 {
				right++
			}
			t.Log(note)
			for _, w := range wrong {
				t.Errorf("%s: %v", name, w)
			}
		})
	}
	counts := good()
	values, err := s.metrics(ctx)
	if err != nil {
		t.Error(err)
	}
	peak, peakErr := s.group.peak()
	kills, killsErr := s.group.kills()
	if err := errors.Join(peakErr, killsErr); err != nil {
		t.Error(err)
	}
	panics := values["sidecar_injection_panics_total"]
	lab.Figure(t, fmt.Sprintf("hostile through an API server: cases %d, answered right %d, panics %.0f; good pods failed %d of %d, slowest %d ms; peak %d MiB of %d",
		len(bodies), right, panics, counts.Failed, counts.Calls, counts.Slowest.Milliseconds(), peak>>20, memoryLimit>>20))
	if counts.Failed > 0 || panics > 0 || kills > 0 || s.ended() || len(counts.Errs) > 0 {
		t.Errorf("good pods: %+v; panics %.0f; killed by the kernel %d: %s", counts, panics, kills, s.log.tail())
	}
}

// anyName lets the API server name the pod, so that many can be created.
func anyName(pod []byte) []byte {
	return []byte(strings.Replace(string(pod), `"name":"victim"`, `"generateName":"victim-"`, 1))
}

// callInjector has the API server ask the injector about pods of the namespace.
func callInjector(ctx context.Context, l *lab.Lab, s *injector) error {
	if err := l.Namespace(ctx, hostileSpace, map[string]string{"istio-injection": "enabled"}); err != nil {
		return err
	}
	url := "https://127.0.0.1:" + s.webhook + "/inject"
	fail, none := admissionregistration.Fail, admissionregistration.SideEffectClassNone
	seconds := int32(webhookTimeout / time.Second)
	_, err := l.Client.AdmissionregistrationV1().MutatingWebhookConfigurations().Create(ctx, &admissionregistration.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: webhookName},
		Webhooks: []admissionregistration.MutatingWebhook{{
			Name: webhookName, AdmissionReviewVersions: []string{"v1"}, SideEffects: &none, FailurePolicy: &fail, TimeoutSeconds: &seconds,
			ClientConfig:      admissionregistration.WebhookClientConfig{URL: &url, CABundle: s.files.CA},
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"istio-injection": "enabled"}},
			Rules: []admissionregistration.RuleWithOperations{{
				Operations: []admissionregistration.OperationType{admissionregistration.Create},
				Rule:       admissionregistration.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
			}},
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	// The API server learns of the webhook and of the namespace's account a moment
	// later.
	c, err := newCreations(l)
	if err != nil {
		return err
	}
	body, err := goodThroughAPIServer()
	if err != nil {
		return err
	}
	return until(ctx, time.Minute, "good pods to be injected", func() error {
		created, err := c.create(ctx, body)
		if err == nil && len(sidecars(created)) != 1 {
			err = errors.New("no sidecar yet")
		}
		return err
	})
}

// goodThroughAPIServer is a good pod as its author writes it.
func goodThroughAPIServer() ([]byte, error) {
	pod := pods.Hello()
	pod.OwnerReferences = nil
	pod.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}
	return json.Marshal(pod)
}

// creations asks an API server for pods, as dry runs: these go through admission
// and validation like others, and nothing stays.
type creations struct{ client kubernetes.Interface }

// newCreations shows no warnings: an API server has thousands about hostile pods.
func newCreations(l *lab.Lab) (*creations, error) {
	config := rest.CopyConfig(l.Config)
	config.WarningHandlerWithContext = rest.NoWarnings{}
	client, err := kubernetes.NewForConfig(config)
	return &creations{client}, err
}

func (c *creations) create(ctx context.Context, pod []byte) (*corev1.Pod, error) {
	created := new(corev1.Pod)
	err := c.client.CoreV1().RESTClient().Post().Namespace(hostileSpace).Resource("pods").Param("dryRun", "All").
		SetHeader("Content-Type", "application/json").Body(pod).Do(ctx).Into(created)
	return created, err
}

// startGood creates good pods until the returned function is called.
func (c *creations) startGood(ctx context.Context) func() counts {
	ctx, stop := context.WithCancel(ctx)
	var sum counts
	var mu sync.Mutex
	var all sync.WaitGroup
	all.Go(func() {
		body, err := goodThroughAPIServer()
		if err != nil {
			sum.note("%v", err)
			return
		}
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			all.Go(func() {
				begin := time.Now()
				bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*webhookTimeout)
				defer cancel()
				created, err := c.create(bounded, body)
				if err == nil && len(sidecars(created)) != 1 {
					err = errors.New("created without a sidecar")
				}
				mu.Lock()
				defer mu.Unlock()
				sum.Calls++
				sum.Slowest = max(sum.Slowest, time.Since(begin))
				if err != nil {
					sum.Failed++
					sum.note("good pod: %v", err)
				}
			})
		}
	})
	return func() counts {
		// However few the attacks are: enough to say something about good pods.
		enough := func() error {
			mu.Lock()
			defer mu.Unlock()
			if sum.Calls < 10 {
				return fmt.Errorf("%d were created", sum.Calls)
			}
			return nil
		}
		if err := until(ctx, time.Minute, "ten good pods", enough); err != nil {
			sum.note("%v", err)
		}
		stop()
		all.Wait()
		return sum
	}
}

// attack creates a pod once, and then four times at once.
func (c *creations) attack(ctx context.Context, pod []byte) (wrong []error, note string) {
	begin := time.Now()
	err := c.one(ctx, pod)
	alone := time.Since(begin)
	if err != nil {
		wrong = append(wrong, err)
	}
	errs := make([]error, 4)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { errs[i] = c.one(ctx, pod) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			wrong = append(wrong, fmt.Errorf("at once: %w", err))
		}
	}
	return wrong, fmt.Sprintf("%d KiB, alone %d ms", len(pod)>>10, alone.Milliseconds())
}

// one expects that the injector answered: the pod has its sidecar once, or
// somebody refused it, but not because the webhook did not answer.
func (c *creations) one(ctx context.Context, pod []byte) error {
	bounded, cancel := context.WithTimeout(ctx, 6*webhookTimeout)
	defer cancel()
	created, err := c.create(bounded, pod)
	var status apierrors.APIStatus
	switch {
	case err == nil:
		if n := len(sidecars(created)); n != 1 && created.Labels["sidecar.istio.io/inject"] != "false" {
			return fmt.Errorf("created with %d sidecars", n)
		}
		return nil
	case !errors.As(err, &status):
		return err
	case strings.Contains(err.Error(), "failed calling webhook"):
		return errors.New(cut(err.Error()))
	}
	return nil
}
