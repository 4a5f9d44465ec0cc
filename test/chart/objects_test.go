package chart

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/validate/content"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Kinds of other projects, whose Go types are not linked here.
var foreignKinds = []string{"Certificate", "Issuer", "PodMonitor", "ServiceMonitor", "PrometheusRule"}

func typed(t testing.TB) *json.Serializer {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		admissionv1.AddToScheme, appsv1.AddToScheme, autoscalingv2.AddToScheme, batchv1.AddToScheme, corev1.AddToScheme,
		networkingv1.AddToScheme, policyv1.AddToScheme, rbacv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Yaml: true, Strict: true})
}

// Every field of every object must be one that its type has.
func TestObjectsAreOfTheirTypes(t *testing.T) {
	decoder := typed(t)
	eachInstall(t, func(t *testing.T, _ install, objects []*object) {
		for _, o := range objects {
			if slices.Contains(foreignKinds, o.GetKind()) {
				continue
			}
			if _, _, err := decoder.Decode(o.text, nil, nil); err != nil {
				t.Errorf("%s (%s): %v", o.id(), o.template, err)
			}
		}
	})
}

func TestNoDuplicateObjects(t *testing.T) {
	eachInstall(t, func(t *testing.T, _ install, objects []*object) {
		seen := map[string]string{}
		for _, o := range objects {
			if before, ok := seen[o.id()]; ok {
				t.Errorf("%s is rendered by %s and %s", o.id(), before, o.template)
			}
			seen[o.id()] = o.template
		}
	})
}

// Objects must land in the namespace that the webhook calls, even when they are
// piped into kubectl.
func TestNamespaceIsWrittenOut(t *testing.T) {
	clusterScoped := []string{"ClusterRole", "ClusterRoleBinding", "MutatingWebhookConfiguration", "Namespace", "ValidatingWebhookConfiguration"}
	eachInstall(t, func(t *testing.T, _ install, objects []*object) {
		for _, o := range objects {
			if has, want := o.GetNamespace() != "", !slices.Contains(clusterScoped, o.GetKind()); has != want {
				t.Errorf("%s: has a namespace %t, want %t", o.id(), has, want)
			}
		}
	})
}

func TestNamesAndLabelsAreValid(t *testing.T) {
	eachInstall(t, func(t *testing.T, _ install, objects []*object) {
		for _, o := range objects {
			check := validation.IsDNS1123Subdomain
			limit := 63 // pods of a workload carry its name, with a suffix, in a label
			switch o.GetKind() {
			case "Service":
				check = validation.IsDNS1035Label
			case "CronJob":
				limit = 52
			case "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding":
				check, limit = content.IsPathSegmentName, 253
			case "Secret", "ConfigMap", "ServiceAccount":
				limit = 253
			}
			if problems := check(o.GetName()); len(problems) > 0 || len(o.GetName()) > limit {
				t.Errorf("%s: name of %d characters, limit %d: %v", o.id(), len(o.GetName()), limit, problems)
			}
			for key, value := range o.GetLabels() {
				if problems := append(validation.IsQualifiedName(key), validation.IsValidLabelValue(value)...); len(problems) > 0 {
					t.Errorf("%s: label %s=%s: %v", o.id(), key, value, problems)
				}
			}
		}
	})
}

// What Helm never sets it leaves alone at every later upgrade, see README.
func TestHelmOwnsNeitherCABundleNorSecretData(t *testing.T) {
	eachInstall(t, func(t *testing.T, in install, objects []*object) {
		for _, o := range objects {
			if strings.Contains(string(o.text), "caBundle:") {
				t.Errorf("%s has a caBundle", o.id())
			}
			brought := slices.Contains(in.files, "ci/existing-secret-values.yaml")
			for _, key := range []string{"data", "stringData"} {
				if _, has := o.Object[key]; has && o.GetKind() == "Secret" && !brought {
					t.Errorf("%s has %s", o.id(), key)
				}
			}
		}
	})
}

func TestRenderingTwiceGivesTheSameBytes(t *testing.T) {
	eachInstall(t, func(t *testing.T, in install, _ []*object) {
		if slices.Contains(in.files, "ci/existing-secret-values.yaml") {
			t.Skip("its extra object makes a certificate, in place of somebody who brings one")
		}
		first, err := in.texts(t)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			again, err := in.texts(t)
			if err != nil {
				t.Fatal(err)
			}
			if difference := cmp.Diff(first, again); difference != "" {
				t.Fatal(difference)
			}
		}
	})
}

func TestGolden(t *testing.T) {
	for name, in := range map[string]install{
		"default":    {},
		"revision":   {set: []string{"revision=canary"}},
		"cert-job":   {files: []string{"ci/cert-job-values.yaml"}},
		"everything": {release: "everything", files: []string{"ci/everything-values.yaml"}},
	} {
		t.Run(name, func(t *testing.T) {
			texts, err := in.texts(t)
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			for _, path := range slices.Sorted(maps.Keys(texts)) {
				if strings.TrimSpace(texts[path]) != "" {
					fmt.Fprintf(&b, "# %s\n%s\n", strings.TrimPrefix(path, "istio-sidecar-injector/"), strings.TrimSpace(texts[path]))
				}
			}
			golden(t, name+".yaml", b.String())
		})
	}
}
