//go:build integration

package app

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	admissionregv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/guard"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/webhookcfg"
)

const (
	guardImage = "example.com/injector:1"
	// needsNewMesh can be served only with newMesh.
	needsNewMesh = `policy: enabled
templates:
  sidecar: |
    {{ if ne .MeshConfig.TrustDomain "new.example" }}{{ fail "the trust domain is the old one" }}{{ end }}
    metadata:
      labels:
        marked: "{{ .Values.mark }}"
    spec:
      containers:
      - name: sidecar
        image: example.com/sidecar:1
`
	newMesh = "trustDomain: new.example\n"
	values  = `{"mark": "one"}`
)

// guarded makes a webhook configuration that asks a server on this machine about
// ConfigMaps of these names, and waits until it is in force.
func (c *testCluster) guarded(i *injector, caBundle []byte, names ...string) (config string) {
	c.t.Helper()
	url := "https://127.0.0.1:" + port(i.webhook) + guard.Path
	ignore, none, seconds := admissionregv1.Ignore, admissionregv1.SideEffectClassNone, int32(15)
	api := c.client.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	made, err := api.Create(c.t.Context(), &admissionregv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "injector-"},
		Webhooks: []admissionregv1.ValidatingWebhook{{
			Name: webhookcfg.GuardWebhook, ClientConfig: admissionregv1.WebhookClientConfig{URL: &url, CABundle: caBundle},
			Rules: []admissionregv1.RuleWithOperations{{
				Operations: []admissionregv1.OperationType{admissionregv1.Create, admissionregv1.Update},
				Rule:       admissionregv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}},
			}},
			NamespaceSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": c.namespace}},
			MatchConditions:         []admissionregv1.MatchCondition{{Name: "names", Expression: "request.name in ['" + strings.Join(names, "', '") + "']"}},
			FailurePolicy:           &ignore,
			SideEffects:             &none,
			TimeoutSeconds:          &seconds,
			AdmissionReviewVersions: []string{"v1"},
		}},
	}, metav1.CreateOptions{})
	must(c.t, err)
	c.t.Cleanup(func() { must(c.t, api.Delete(context.Background(), made.Name, metav1.DeleteOptions{})) })
	return made.Name
}

// inForce waits until the API server asks, and has an answer.
func (c *testCluster) inForce(name string) {
	c.t.Helper()
	eventually(c.t, "the API server asks about "+name, func() bool {
		cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string]string{"config": "{", "mesh": "{"}}
		_, err := c.client.CoreV1().ConfigMaps(c.namespace).Create(c.t.Context(), cm, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return apierrors.IsInvalid(err)
	})
}

// write stores a ConfigMap in one of the ways that tools have.
func (c *testCluster) write(way, name string, data, annotations map[string]string) error {
	c.t.Helper()
	ctx, api := c.t.Context(), c.client.CoreV1().ConfigMaps(c.namespace)
	cm := &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: annotations}, Data: data}
	text, err := json.Marshal(cm)
	must(c.t, err)
	force := true
	switch way {
	case "create":
		_, err = api.Create(ctx, cm, metav1.CreateOptions{})
	case "update":
		_, err = api.Update(ctx, cm, metav1.UpdateOptions{})
	case "patch of kubectl edit", "patch of helm":
		_, err = api.Patch(ctx, name, types.StrategicMergePatchType, text, metav1.PatchOptions{})
	case "merge patch":
		_, err = api.Patch(ctx, name, types.MergePatchType, text, metav1.PatchOptions{})
	case "server-side apply":
		_, err = api.Patch(ctx, name, types.ApplyPatchType, text, metav1.PatchOptions{FieldManager: "test", Force: &force})
	default:
		c.t.Fatalf("no way %s", way)
	}
	return err
}

func injectionOf(config string, generation ...string) map[string]string {
	data := map[string]string{"config": config, "values": values}
	if generation != nil {
		data["generation"] = generation[0]
	}
	return data
}

func meshOf(mesh string, generation ...string) map[string]string {
	data := map[string]string{"mesh": mesh}
	if generation != nil {
		data["generation"] = generation[0]
	}
	return data
}

// guardedSite is a server that follows the two ConfigMaps, which are stored and good,
// and that the API server asks about them.
func guardedSite(t *testing.T) (*testCluster, *injector) {
	c, s := connect(t), newSite(t)
	i := start(t, s, "--kubeconfig="+c.kubeconfig, "--nativeSidecars=off", "--injectorImage="+guardImage,
		"--injectConfigMap="+c.namespace+"/inject", "--meshConfigMap="+c.namespace+"/mesh")
	i.waitReady()
	c.guarded(i, s.ca.pem, "inject", "mesh")
	c.inForce("mesh")
	must(t, c.write("create", "mesh", meshOf(goodMesh), nil))
	must(t, c.write("create", "inject", injectionOf(goodConfig), nil))
	return c, i
}

// TestGuard writes ConfigMaps through the real API server, in every way that tools do.
func TestGuard(t *testing.T) {
	c, i := guardedSite(t)
	bad := strings.ReplaceAll(goodConfig, "enabled", "sometimes")
	for _, way := range []string{"update", "patch of kubectl edit", "merge patch", "server-side apply"} {
		err := c.write(way, "inject", injectionOf(bad), nil)
		status, ok := err.(apierrors.APIStatus)
		if !ok || status.Status().Code != 422 || !apierrors.IsInvalid(err) {
			t.Fatalf("%s: %v", way, err)
		}
		for _, want := range []string{
			`admission webhook "` + webhookcfg.GuardWebhook + `" denied the request: the sidecar injector would not serve this configuration, 1 error; what is in force has not changed:` + "\n",
			c.namespace + "/inject:config:1:", "policy", "sometimes",
		} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q lacks %q", way, err, want)
			}
		}
		// What kubectl edit shows.
		if d := status.Status().Details; d == nil || d.Name != "inject" || len(d.Causes) != 1 || d.Causes[0].Field != "data.config" || !strings.Contains(d.Causes[0].Message, "sometimes") {
			t.Errorf("%s: details %+v", way, d)
		}
		must(t, c.write(way, "inject", injectionOf(strings.ReplaceAll(goodConfig, "sidecar:1", fmt.Sprintf("sidecar:%d", len(way)))), nil))
	}
	must(t, c.client.CoreV1().ConfigMaps(c.namespace).Delete(t.Context(), "inject", metav1.DeleteOptions{}))
	if err := c.write("create", "inject", injectionOf(bad), nil); !apierrors.IsInvalid(err) {
		t.Errorf("create: %v", err)
	}
	must(t, c.write("create", "inject", injectionOf(goodConfig), nil))
	must(t, c.write("create", "somebody-elses", map[string]string{"config": "{"}, nil))

	_, m := i.get("/metrics")
	if !strings.Contains(m, `sidecar_injector_configuration_reviews_total{decision="configuration-refused"} `) {
		t.Error("no metric of what was refused")
	}
	if log := i.log.String(); strings.Contains(log, "sometimes") || !strings.Contains(log, `"decision":"configuration-refused"`) {
		t.Error("the log has no line about a refusal, or shows what is in the ConfigMap")
	}
}

// A pair that is valid only together is stored in either order, and comes into force.
func TestGuardJudgesPairs(t *testing.T) {
	c, i := guardedSite(t)
	if err := c.write("update", "inject", injectionOf(needsNewMesh), nil); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "the trust domain is the old one") {
		t.Fatalf("half of a pair, without a generation: %v", err)
	}
	must(t, c.write("update", "mesh", meshOf(goodMesh, "1"), nil))
	must(t, c.write("update", "inject", injectionOf(goodConfig, "1"), nil))
	mark := func(config, mark string) string {
		return strings.ReplaceAll(config, `{{ .Values.mark }}`, mark)
	}
	c.warnings.take()
	must(t, c.write("update", "mesh", meshOf(newMesh, "2"), nil))
	must(t, c.write("update", "inject", injectionOf(mark(needsNewMesh, "mesh-first"), "2"), nil))
	eventually(t, "mesh first, then injection: in force", func() bool { return i.mark() == "mesh-first" })
	must(t, c.write("update", "inject", injectionOf(mark(goodConfig, "back"), "3"), nil))
	must(t, c.write("update", "mesh", meshOf(goodMesh, "3"), nil))
	eventually(t, "injection first, then mesh: in force", func() bool { return i.mark() == "back" })
	must(t, c.write("update", "inject", injectionOf(mark(needsNewMesh, "injection-first"), "4"), nil))
	must(t, c.write("update", "mesh", meshOf(newMesh, "4"), nil))
	eventually(t, "the pair in force", func() bool { return i.mark() == "injection-first" })
	if w := c.warnings.take(); len(w) > 0 {
		t.Errorf("an ordinary change of both warns: %q", w)
	}
	if err := c.write("update", "mesh", meshOf(goodMesh, "4"), nil); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), c.namespace+"/inject:config") {
		t.Errorf("a mesh that the templates cannot do with: %v", err)
	}
}

func TestGuardLeavesOtherVersionsAlone(t *testing.T) {
	c, i := guardedSite(t)
	next := strings.ReplaceAll(goodConfig, `{{ .Values.mark }}`, `{{ functionOfTheNextVersion }}`)
	c.warnings.take()
	must(t, c.write("update", "inject", injectionOf(next), map[string]string{guard.StampAnnotation: "example.com/injector:2"}))
	if w := strings.Join(c.warnings.take(), "\n"); !strings.Contains(w, "example.com/injector:2, and this server is example.com/injector:1") {
		t.Errorf("warnings %q", w)
	}
	// Its own servers are asked about it, too.
	s := newSite(t)
	own := start(t, s, "--kubeconfig="+c.kubeconfig, "--nativeSidecars=off", "--injectorImage=example.com/injector:2",
		"--injectConfigMap="+c.namespace+"/inject", "--meshConfigMap="+c.namespace+"/mesh")
	c.guarded(own, s.ca.pem, "inject", "mesh")
	attempt := 0 // what is stored already is let in as it is
	eventually(t, "refused by its own servers", func() bool {
		attempt++
		err := c.write("update", "inject", injectionOf(fmt.Sprintf("%s# %d\n", next, attempt)), map[string]string{guard.StampAnnotation: "example.com/injector:2"})
		return apierrors.IsInvalid(err) && strings.Contains(err.Error(), "functionOfTheNextVersion")
	})
	if got := i.mark(); got != "one" {
		t.Errorf("marked %q", got)
	}
}

// Two revisions share a mesh configuration: each is asked, with templates of its own.
func TestGuardsOfTwoRevisions(t *testing.T) {
	c, _ := guardedSite(t)
	s := newSite(t)
	other := start(t, s, "--kubeconfig="+c.kubeconfig, "--nativeSidecars=off", "--revision=canary",
		"--injectConfigMap="+c.namespace+"/inject-canary", "--meshConfigMap="+c.namespace+"/mesh")
	other.waitReady()
	c.guarded(other, s.ca.pem, "inject-canary", "mesh")
	c.inForce("inject-canary")
	needsOld := strings.ReplaceAll(needsNewMesh, `ne .MeshConfig.TrustDomain "new.example"`, `eq .MeshConfig.TrustDomain "new.example"`)
	must(t, c.write("create", "inject-canary", injectionOf(strings.ReplaceAll(needsOld, "the old one", "the new one")), nil))
	if err := c.write("update", "mesh", meshOf(newMesh), nil); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), c.namespace+"/inject-canary:config") {
		t.Errorf("a mesh that one revision cannot do with: %v", err)
	}
	must(t, c.write("update", "mesh", meshOf(strings.ReplaceAll(newMesh, "new", "third")), nil))
}

// Whatever is stored while no server runs, good or bad, can be written over.
func TestGuardIsNeverInTheWay(t *testing.T) {
	c, i := guardedSite(t)
	i.stop()
	i.wait()
	must(t, c.write("update", "inject", injectionOf(strings.ReplaceAll(goodConfig, "enabled", "sometimes")), nil))
	must(t, c.write("update", "mesh", meshOf("trustDomain: [1]"), nil))

	// A server whose ConfigMaps are no good, whatever its mounts are: it may have nothing
	// in force and not be ready.
	s := newSite(t)
	next := start(t, s, "--kubeconfig="+c.kubeconfig, "--nativeSidecars=off",
		"--injectConfigMap="+c.namespace+"/inject", "--meshConfigMap="+c.namespace+"/mesh")
	c.guarded(next, s.ca.pem, "inject", "mesh")
	c.inForce("inject")
	_, err := c.client.CoreV1().ConfigMaps(c.namespace).Patch(t.Context(), "inject", types.MergePatchType, []byte(`{"metadata":{"labels":{"a":"b"}}}`), metav1.PatchOptions{})
	must(t, err)
	// Each is mended though the other is still bad, in either order.
	must(t, c.write("update", "mesh", meshOf(goodMesh), nil))
	must(t, c.write("update", "inject", injectionOf(strings.ReplaceAll(goodConfig, `{{ .Values.mark }}`, "mended")), nil))
	next.waitReady()
	eventually(t, "the mended pair in force", func() bool { return next.mark() == "mended" })
	for _, name := range []string{"inject", "mesh"} {
		must(t, c.client.CoreV1().ConfigMaps(c.namespace).Delete(t.Context(), name, metav1.DeleteOptions{}))
	}
}

// The server keeps the caBundle by which the API server trusts it, and does not wait
// for a configuration that is not there.
func TestGuardsCABundle(t *testing.T) {
	c, s := connect(t), newSite(t)
	hook := c.webhook("1", nil)
	first := start(t, s, "--kubeconfig="+c.kubeconfig, "--nativeSidecars=off", "--reconcileWebhookConfig=true", "--webhookConfigName="+hook,
		"--validatingWebhookConfigName=there-is-none", "--injectConfigMap="+c.namespace+"/inject", "--meshConfigMap="+c.namespace+"/mesh")
	first.waitReady()
	config := c.guarded(first, nil, "inject", "mesh")
	i := start(t, s, "--kubeconfig="+c.kubeconfig, "--nativeSidecars=off", "--reconcileWebhookConfig=true", "--webhookConfigName="+hook,
		"--validatingWebhookConfigName="+config, "--injectConfigMap="+c.namespace+"/inject", "--meshConfigMap="+c.namespace+"/mesh")
	i.waitReady()
	c.inForce("mesh")
	_, err := c.client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Patch(t.Context(), config, types.JSONPatchType,
		[]byte(`[{"op":"remove","path":"/webhooks/0/clientConfig/caBundle"}]`), metav1.PatchOptions{})
	must(t, err)
	eventually(t, "the caBundle healed", func() bool {
		got, err := c.client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Get(t.Context(), config, metav1.GetOptions{})
		must(t, err)
		return string(got.Webhooks[0].ClientConfig.CABundle) == string(s.ca.pem)
	})
}
