package chart

import (
	"context"
	"slices"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	"k8s.io/apiserver/pkg/cel/environment"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/guard"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/webhookcfg"
)

// guardsOf are the webhooks that ask about the injector's configuration.
func guardsOf(t testing.TB, objects []*object) (all []admissionv1.ValidatingWebhook) {
	t.Helper()
	for _, o := range objects {
		if o.GetKind() == "ValidatingWebhookConfiguration" {
			all = append(all, into[admissionv1.ValidatingWebhookConfiguration](t, o).Webhooks...)
		}
	}
	return all
}

// asked evaluates the webhook's rules, selector and match conditions as an API server
// does, with Kubernetes' own code.
func asked(t testing.TB, w admissionv1.ValidatingWebhook, operation admission.Operation, namespace, name string) bool {
	t.Helper()
	var conditions []cel.ExpressionAccessor
	for _, c := range w.MatchConditions {
		conditions = append(conditions, &matchconditions.MatchCondition{Name: c.Name, Expression: c.Expression})
	}
	compiled := cel.NewConditionCompiler(environment.MustBaseEnvSet(oldest)).CompileCondition(conditions, cel.OptionalVariableDeclarations{HasAuthorizer: true}, environment.NewExpressions)
	if errs := compiled.CompilationErrors(); len(errs) > 0 {
		t.Fatalf("match conditions: %v", errs)
	}
	cm := &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	kind := corev1.SchemeGroupVersion.WithKind("ConfigMap")
	attributes := admission.NewAttributesRecord(cm, nil, kind, namespace, name, schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}, "", operation, &metav1.CreateOptions{}, false, nil)
	result := matchconditions.NewMatcher(compiled, w.FailurePolicy, "webhook", "validating", w.Name).
		Match(context.Background(), &admission.VersionedAttributes{Attributes: attributes, VersionedKind: kind, VersionedObject: admission.NewLazyObject(cm)}, nil, nil)
	if result.Error != nil {
		t.Fatalf("match conditions: %v", result.Error)
	}
	byRule := slices.ContainsFunc(w.Rules, func(r admissionv1.RuleWithOperations) bool {
		return slices.Contains(r.Operations, admissionv1.OperationType(operation)) && slices.Equal(r.Resources, []string{"configmaps"}) && slices.Equal(r.APIGroups, []string{""})
	})
	return byRule && result.Matches && matches(t, w.NamespaceSelector, map[string]string{"kubernetes.io/metadata.name": namespace})
}

// Every installation with a guard is asked about the two ConfigMaps that its server
// follows, and about nothing else.
func TestGuardIsAskedAboutTheTwoConfigMaps(t *testing.T) {
	guarded := 0
	eachInstall(t, func(t *testing.T, _ install, objects []*object) {
		server := into[appsv1.Deployment](t, one(t, objects, "Deployment", "")).Spec.Template.Spec.Containers[0]
		flags := flagsOf(t, server)
		for _, w := range guardsOf(t, objects) {
			guarded++
			for _, followed := range []string{flags["injectConfigMap"], flags["meshConfigMap"]} {
				namespace, name, _ := strings.Cut(followed, "/")
				for operation, want := range map[admission.Operation]bool{admission.Create: true, admission.Update: true, admission.Delete: false} {
					if asked(t, w, operation, namespace, name) != want {
						t.Errorf("%s of %s: asked %t", operation, followed, !want)
					}
				}
				if asked(t, w, admission.Create, "another", name) {
					t.Errorf("asked about %s of another namespace", name)
				}
			}
			if namespace, _, _ := strings.Cut(flags["injectConfigMap"], "/"); asked(t, w, admission.Create, namespace, "somebody-elses") || asked(t, w, admission.Create, namespace, "") {
				t.Error("asked about somebody else's ConfigMap")
			}
			if w.Name != webhookcfg.GuardWebhook || *w.ClientConfig.Service.Path != guard.Path || *w.FailurePolicy != admissionv1.Ignore ||
				*w.SideEffects != admissionv1.SideEffectClassNone || *w.TimeoutSeconds != 15 || len(w.ClientConfig.CABundle) > 0 {
				t.Errorf("webhook %+v", w)
			}
			call, pods := w.ClientConfig.Service, webhookOf(t, objects).ClientConfig.Service
			if call.Name != pods.Name || call.Namespace != pods.Namespace || *call.Port != *pods.Port {
				t.Errorf("calls %+v, the webhook for pods calls %+v", call, pods)
			}
			if flags["reconcileWebhookConfig"] == "true" && flags["validatingWebhookConfigName"] != flags["webhookConfigName"] {
				t.Errorf("the server keeps the caBundle of %q", flags["validatingWebhookConfigName"])
			}
		}
	})
	if guarded == 0 {
		t.Error("no installation has a guard")
	}
}

// The stamp is the image that the servers run, as they are told it, in every
// installation, with a guard or without: the release before may have one.
func TestConfigMapsAreStampedWithTheServersImage(t *testing.T) {
	eachInstall(t, func(t *testing.T, _ install, objects []*object) {
		server := into[appsv1.Deployment](t, one(t, objects, "Deployment", "")).Spec.Template.Spec.Containers[0]
		for _, o := range objects {
			if o.template != "configmap-inject.yaml" && o.template != "configmap-mesh.yaml" {
				continue
			}
			if stamp := o.GetAnnotations()[guard.StampAnnotation]; stamp != server.Image {
				t.Errorf("%s is stamped %q, the servers run %s", o.id(), stamp, server.Image)
			}
		}
		if told, ok := flagsOf(t, server)["injectorImage"]; ok && told != server.Image {
			t.Errorf("the server is told that it runs %s, and runs %s", told, server.Image)
		}
		if _, ok := flagsOf(t, server)["injectorImage"]; ok != (len(guardsOf(t, objects)) == 1) {
			t.Errorf("the server is told its image %t, with %d guards", ok, len(guardsOf(t, objects)))
		}
	})
}

func TestGuardIsTurnedOff(t *testing.T) {
	for name, set := range map[string][]string{"by its value": {"configGuard.enabled=false"}, "without rights on ConfigMaps": {"configSource=files"}} {
		t.Run(name, func(t *testing.T) {
			texts, err := install{set: append(set, "certs.bootstrap=job")}.texts(t)
			if err != nil {
				t.Fatal(err)
			}
			for file, text := range texts {
				for _, what := range []string{"ValidatingWebhookConfiguration", "validatingwebhookconfigurations", "validatingWebhookConfigName", "injectorImage="} {
					if strings.Contains(text, what) {
						t.Errorf("%s has %s", file, what)
					}
				}
			}
		})
	}
}

// With cert-manager its own controller writes the caBundle, and the injector has no
// right to.
func TestGuardWithCertManager(t *testing.T) {
	objects := install{set: []string{"certs.mode=certManager"}}.render(t)
	o := one(t, objects, "ValidatingWebhookConfiguration", "")
	if got := o.GetAnnotations()["cert-manager.io/inject-ca-from"]; got != defaultNamespace+"/istio-sidecar-injector" {
		t.Errorf("CA injected from %q", got)
	}
	server := into[appsv1.Deployment](t, one(t, objects, "Deployment", "")).Spec.Template.Spec.Containers[0]
	if name, ok := flagsOf(t, server)["validatingWebhookConfigName"]; ok {
		t.Errorf("the server is told to keep the caBundle of %s", name)
	}
}
