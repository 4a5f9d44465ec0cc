//go:build integration

// These tests run the server against the API server that KUBECONFIG names, which
// must be able to reach this machine at 127.0.0.1. Everything that they make has
// names of its own and is removed.
package app

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	admissionregv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
)

// testCluster is the API server under test, with a namespace of the test's own.
type testCluster struct {
	t          *testing.T
	kubeconfig string
	client     kubernetes.Interface
	warnings   *warnings
	namespace  string
}

type warnings struct {
	mu   sync.Mutex
	text []string
}

func (w *warnings) HandleWarningHeader(_ int, _ string, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text = append(w.text, text)
}

func (w *warnings) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := w.text
	w.text = nil
	return text
}

var _ rest.WarningHandler = &warnings{}

func connect(t *testing.T) *testCluster {
	t.Helper()
	c := &testCluster{t: t, kubeconfig: os.Getenv("KUBECONFIG"), warnings: &warnings{}}
	if c.kubeconfig == "" {
		t.Fatal("KUBECONFIG must name a cluster for tests")
	}
	cfg, err := kube.Config(c.kubeconfig, "integration-test")
	must(t, err)
	cfg.WarningHandler = c.warnings
	c.client, err = kubernetes.NewForConfig(cfg)
	must(t, err)
	ns, err := c.client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		GenerateName: "injector-", Labels: map[string]string{"inject-test": "yes"},
	}}, metav1.CreateOptions{})
	must(t, err)
	c.namespace = ns.Name
	t.Cleanup(func() {
		must(t, c.client.CoreV1().Namespaces().Delete(context.Background(), c.namespace, metav1.DeleteOptions{}))
	})
	return c
}

func (c *testCluster) configMap(name string, data map[string]string) {
	c.t.Helper()
	api := c.client.CoreV1().ConfigMaps(c.namespace)
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: data}
	_, err := api.Update(c.t.Context(), cm, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		_, err = api.Create(c.t.Context(), cm, metav1.CreateOptions{})
	}
	must(c.t, err)
}

// webhook makes a webhook configuration that calls a server on this machine.
func (c *testCluster) webhook(port string, caBundle []byte) (name string) {
	c.t.Helper()
	url := "https://127.0.0.1:" + port + "/inject"
	fail, none, seconds := admissionregv1.Fail, admissionregv1.SideEffectClassNone, int32(10)
	api := c.client.AdmissionregistrationV1().MutatingWebhookConfigurations()
	made, err := api.Create(c.t.Context(), &admissionregv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "injector-"},
		Webhooks: []admissionregv1.MutatingWebhook{{
			Name: "sidecar-injector.istio.io", ClientConfig: admissionregv1.WebhookClientConfig{URL: &url, CABundle: caBundle},
			Rules: []admissionregv1.RuleWithOperations{{
				Operations: []admissionregv1.OperationType{admissionregv1.Create},
				Rule:       admissionregv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
			}},
			NamespaceSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": c.namespace}},
			FailurePolicy:           &fail,
			SideEffects:             &none,
			TimeoutSeconds:          &seconds,
			AdmissionReviewVersions: []string{"v1", "v1beta1"},
		}},
	}, metav1.CreateOptions{})
	must(c.t, err)
	c.t.Cleanup(func() { must(c.t, api.Delete(context.Background(), made.Name, metav1.DeleteOptions{})) })
	return made.Name
}

// pod asks for a pod, as a dry run.
func (c *testCluster) pod(change func(*corev1.Pod)) (*corev1.Pod, error) {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "hello"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "example.com/app"}}, ServiceAccountName: "default"},
	}
	no := false
	p.Spec.AutomountServiceAccountToken = &no
	if change != nil {
		change(p)
	}
	return c.client.CoreV1().Pods(c.namespace).Create(c.t.Context(), p, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
}

func port(address string) string { return address[strings.LastIndex(address, ":")+1:] }

// TestThroughTheAPIServer takes the whole way of a pod: the real API server
// calls, and applies what it is told.
func TestThroughTheAPIServer(t *testing.T) {
	c, s := connect(t), newSite(t)
	i := start(t, s, "--kubeconfig="+c.kubeconfig, "--nativeSidecars=on")
	c.webhook(port(i.webhook), s.ca.pem)
	i.waitReady()

	var pod *corev1.Pod
	eventually(t, "a pod with the sidecar", func() bool {
		var err error
		pod, err = c.pod(nil)
		return err == nil && len(pod.Spec.Containers) == 2
	})
	hasSidecar := slices.ContainsFunc(pod.Spec.Containers, func(c corev1.Container) bool { return c.Name == "sidecar" })
	if !hasSidecar || pod.Labels["marked"] != "one" || pod.Annotations["sidecar.istio.io/status"] == "" {
		t.Errorf("got %v, labels %v", pod.Spec.Containers, pod.Labels)
	}
	eventually(t, "the dry run in the log", func() bool { return strings.Contains(i.log.String(), `"dryRun":true`) })

	pod, err := c.pod(func(p *corev1.Pod) { p.Labels = map[string]string{"sidecar.istio.io/inject": "false"} })
	must(t, err)
	if len(pod.Spec.Containers) != 1 {
		t.Error("injected a pod that declines")
	}

	_, err = c.pod(func(p *corev1.Pod) { p.Annotations = map[string]string{"inject.istio.io/templates": "nonesuch"} })
	status := apierrors.APIStatus(nil)
	if s, ok := err.(apierrors.APIStatus); ok {
		status = s
	}
	if status == nil || status.Status().Code != 422 || !strings.Contains(err.Error(), "nonesuch") || !strings.Contains(err.Error(), "denied the request") {
		t.Errorf("an unknown template: %v", err)
	}

	c.warnings.take()
	_, err = c.pod(func(p *corev1.Pod) { p.Labels = map[string]string{"sidecar.istio.io/inject": "perhaps"} })
	must(t, err)
	if w := strings.Join(c.warnings.take(), "\n"); !strings.Contains(w, "perhaps") {
		t.Errorf("warnings %q, want one about the label's value", w)
	}
}

// TestFollowsConfigMaps changes ConfigMaps and measures when they are in force.
func TestFollowsConfigMaps(t *testing.T) {
	c, s := connect(t), newSite(t)
	i := start(t, s, "--kubeconfig="+c.kubeconfig, "--nativeSidecars=off",
		"--injectConfigMap="+c.namespace+"/inject", "--meshConfigMap="+c.namespace+"/mesh")
	i.waitReady()
	if got := i.mark(); got != "one" {
		t.Errorf("marked %q, want what the files say: there are no ConfigMaps", got)
	}
	eventually(t, "the missing ConfigMap in the log", func() bool {
		return strings.Contains(i.log.String(), "configmap "+c.namespace+"/inject does not exist")
	})

	values := func(mark string) map[string]string {
		return map[string]string{"config": goodConfig, "values": fmt.Sprintf(`{"mark": %q}`, mark)}
	}
	c.configMap("mesh", map[string]string{"mesh": goodMesh})
	for _, mark := range []string{"a", "b", "c"} {
		begin := time.Now()
		c.configMap("inject", values(mark))
		eventually(t, "ConfigMap "+mark+" in force", func() bool { return i.mark() == mark })
		t.Logf("in force %s after the change", time.Since(begin).Round(time.Millisecond))
	}

	bad := values("d")
	bad["config"] = strings.ReplaceAll(bad["config"], "enabled", "sometimes")
	c.configMap("inject", bad)
	eventually(t, "the bad one refused, with its place", func() bool {
		_, body := i.get("/readyz")
		return strings.Contains(body, c.namespace+"/inject:config:1:9: policy")
	})
	if got := i.mark(); got != "c" {
		t.Errorf("marked %q", got)
	}
	// The mount is older than what was seen through the API: it changes nothing.
	s.publish("inject", map[string]string{"config": goodConfig, "values": `{"mark": "old"}`})
	c.configMap("inject", values("e"))
	eventually(t, "the next good one in force", func() bool { return i.mark() == "e" })

	must(t, c.client.CoreV1().ConfigMaps(c.namespace).Delete(t.Context(), "inject", metav1.DeleteOptions{}))
	eventually(t, "the deletion told", func() bool {
		_, body := i.get("/readyz")
		return strings.Contains(body, "configmap "+c.namespace+"/inject does not exist")
	})
	if got := i.mark(); got != "e" {
		t.Errorf("marked %q after the deletion", got)
	}
	c.configMap("inject", values("f"))
	eventually(t, "the one made anew in force", func() bool { return i.mark() == "f" })
}

// TestFollowsNodesAndNamespaces tells the engine about the cluster as it is.
func TestFollowsNodesAndNamespaces(t *testing.T) {
	c, s := connect(t), newSite(t)
	i := start(t, s, "--kubeconfig="+c.kubeconfig)
	i.waitReady()
	native := func() bool {
		_, body := i.get("/debug/config")
		var d shownConfig
		must(t, json.Unmarshal([]byte(body), &d))
		return d.Native
	}
	api := c.client.CoreV1().Nodes()
	nodes, err := api.List(t.Context(), metav1.ListOptions{})
	must(t, err)
	if len(nodes.Items) > 0 {
		t.Fatal("this test needs a cluster without nodes")
	}
	if native() {
		t.Error("native sidecars without a node")
	}
	for _, n := range []struct {
		name, version string
		want          bool
	}{{"new-1", "v1.36.3", true}, {"new-2", "v1.33.0", true}, {"old", "v1.32.1", false}} {
		made, err := api.Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: n.name}}, metav1.CreateOptions{})
		must(t, err)
		t.Cleanup(func() { _ = api.Delete(context.Background(), made.Name, metav1.DeleteOptions{}) })
		// A patch, because the controllers write to the new node at the same time.
		_, err = api.Patch(t.Context(), n.name, types.StrategicMergePatchType,
			fmt.Appendf(nil, `{"status":{"nodeInfo":{"kubeletVersion":%q}}}`, n.version), metav1.PatchOptions{}, "status")
		must(t, err)
		eventually(t, fmt.Sprintf("native sidecars %v with node %s", n.want, n.name), func() bool { return native() == n.want })
	}
	must(t, api.Delete(t.Context(), "old", metav1.DeleteOptions{}))
	eventually(t, "native sidecars when the old node is gone", native)

	// The namespace's level is known to the warning.
	c.webhook(port(i.webhook), s.ca.pem)
	_, err = c.client.CoreV1().Namespaces().Patch(t.Context(), c.namespace, types.MergePatchType,
		[]byte(`{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"restricted"}}}`), metav1.PatchOptions{})
	must(t, err)
	eventually(t, "a warning about the namespace's pod security level", func() bool {
		c.warnings.take()
		_, _ = c.pod(func(p *corev1.Pod) { // without the sidecar it would pass
			yes, no := true, false
			p.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsNonRoot: &yes, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}}
			p.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{AllowPrivilegeEscalation: &no, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}}
		})
		return strings.Contains(strings.Join(c.warnings.take(), "\n"), "restricted")
	})
}

// TestCertificatesFromSecret starts with an empty Secret and a webhook
// configuration without caBundle, and without any file.
func TestCertificatesFromSecret(t *testing.T) {
	c, s := connect(t), newSite(t)
	_, err := c.client.CoreV1().Secrets(c.namespace).Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "certs"}}, metav1.CreateOptions{})
	must(t, err)
	hook := c.webhook("1", nil)
	must(t, os.RemoveAll(s.path("certs")))
	i := start(t, s, "--kubeconfig="+c.kubeconfig, "--nativeSidecars=off", "--certSecret="+c.namespace+"/certs",
		"--service=hook", "--reconcileWebhookConfig=true", "--webhookConfigName="+hook)
	i.waitReady()

	secret, err := c.client.CoreV1().Secrets(c.namespace).Get(t.Context(), "certs", metav1.GetOptions{})
	must(t, err)
	for _, key := range []string{"root-cert.pem", "cert-chain.pem", "key.pem", "ca-cert.pem", "ca-key.pem"} {
		if len(secret.Data[key]) == 0 {
			t.Errorf("the secret has no %s", key)
		}
	}
	api := c.client.AdmissionregistrationV1().MutatingWebhookConfigurations()
	bundle := func() string {
		h, err := api.Get(t.Context(), hook, metav1.GetOptions{})
		must(t, err)
		return string(h.Webhooks[0].ClientConfig.CABundle)
	}
	want := string(secret.Data["root-cert.pem"])
	if got := bundle(); got != want {
		t.Errorf("caBundle is\n%s\nwant\n%s", got, want)
	}
	begin := time.Now()
	_, err = api.Patch(t.Context(), hook, types.JSONPatchType, []byte(`[{"op":"remove","path":"/webhooks/0/clientConfig/caBundle"}]`), metav1.PatchOptions{})
	must(t, err)
	eventually(t, "the caBundle healed", func() bool { return bundle() == want })
	t.Logf("caBundle healed %s after it was emptied", time.Since(begin).Round(time.Millisecond))
	if took := time.Since(begin); took > time.Second {
		t.Errorf("healing took %s", took)
	}
	if strings.Contains(i.log.String(), "PRIVATE KEY") {
		t.Error("the log holds a key")
	}
	// The server learns that its patch was taken a moment after others can see it.
	matches := `sidecar_injector_cabundle_matches{webhook_config="` + hook + `"} 1`
	eventually(t, "the metric "+matches, func() bool {
		_, m := i.get("/metrics")
		return strings.Contains(m, matches)
	})
	_, m := i.get("/metrics")
	for _, line := range []string{
		`sidecar_injector_heals_total{what="secret"} 1`, `sidecar_injector_heals_total{what="cabundle"} `, `sidecar_injector_certificate_expiry_seconds{type="ca"} `,
		matches, "sidecar_injector_ready 1\n",
	} {
		if !strings.Contains(m, line) {
			t.Errorf("no metric %s", line)
		}
	}
}
