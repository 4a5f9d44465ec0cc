package chart

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// The names of the classic chart, which other tools know.
func TestClassicNames(t *testing.T) {
	objects := install{}.render(t)
	for _, want := range [][2]string{
		{"ConfigMap", "istio"},
		{"ConfigMap", "istio-sidecar-injector"},
		{"Secret", "istio.istio-sidecar-injector-service-account"},
		{"Deployment", "istio-sidecar-injector"},
		{"Service", "istio-sidecar-injector"},
		{"ServiceAccount", "istio-sidecar-injector-service-account"},
		{"MutatingWebhookConfiguration", "istio-sidecar-injector"},
		{"ValidatingWebhookConfiguration", "istio-sidecar-injector"},
		{"ClusterRole", "istio-sidecar-injector:istio-system"},
		{"PodDisruptionBudget", "istio-sidecar-injector"},
	} {
		o := one(t, objects, want[0], want[1])
		if l := o.GetLabels(); l["app"] != "sidecarInjectorWebhook" || l["istio"] != "sidecar-injector" {
			t.Errorf("%s: labels %v, want the classic two among them", o.id(), l)
		}
	}
}

// everyObject turns on all that makes objects, but for the PodMonitor, which has the
// ServiceMonitor's name and cannot be there beside it.
var everyObject = []string{
	"validate.enabled=true", "check.enabled=true", "networkPolicy.enabled=true", "autoscaling.enabled=true", "certs.bootstrap=job",
	"metrics.serviceMonitor.enabled=true", "metrics.prometheusRule.enabled=true", "metrics.dashboard.enabled=true",
}

// Two injectors in one namespace share nothing: no name, and no pod that both
// would select.
func TestInstallationsSideBySide(t *testing.T) {
	long := "a-release-name-that-is-cut-because-it-is-so-long"
	classic := install{set: everyObject}
	for _, c := range []struct {
		name        string
		left, right install
	}{
		{"two releases", classic, install{release: "other", set: everyObject}},
		{"release name with the chart's in it", classic, install{release: "istio-sidecar-injector-2", set: everyObject}},
		{"revision in another release", classic, install{release: "canary", set: append([]string{"revision=canary"}, everyObject...)}},
		{"two revisions", install{release: "a", set: append([]string{"revision=blue"}, everyObject...)}, install{release: "a", set: append([]string{"revision=green"}, everyObject...)}},
		{"fullnameOverride", classic, install{release: "b", set: append([]string{"fullnameOverride=mine"}, everyObject...)}},
		{"nameOverride", classic, install{release: "b", set: append([]string{"nameOverride=mine"}, everyObject...)}},
		{"long names", install{release: long + "-one", set: everyObject}, install{release: long + "-two", set: everyObject}},
		{"long revisions", install{release: long, set: append([]string{"revision=one"}, everyObject...)}, install{release: long, set: append([]string{"revision=two"}, everyObject...)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			left := map[string]bool{}
			leftObjects, rightObjects := c.left.render(t), c.right.render(t)
			for _, o := range leftObjects {
				left[o.id()] = true
			}
			for _, o := range rightObjects {
				if left[o.id()] {
					t.Errorf("both have %s", o.id())
				}
			}
			if c.left.release == c.right.release {
				return // one release cannot be there twice: revisions of one release are tested for their names
			}
			selector := labels.SelectorFromSet(into[corev1.Service](t, service(t, leftObjects)).Spec.Selector)
			other := into[appsv1.Deployment](t, one(t, rightObjects, "Deployment", "")).Spec.Template.Labels
			if selector.Matches(labels.Set(other)) {
				t.Errorf("the Service's selector %s selects the other's pods %v", selector, other)
			}
		})
	}
}

func service(t *testing.T, objects []*object) *object { return one(t, objects, "Service", "") }

// The same release name in two namespaces shares nothing but the webhook
// configurations, which Helm then refuses to take over.
func TestClusterRolesCarryTheNamespace(t *testing.T) {
	ids := map[string]bool{}
	for _, o := range (install{namespace: "a", set: everyObject}).render(t) {
		ids[o.id()] = true
	}
	for _, o := range (install{namespace: "b", set: everyObject}).render(t) {
		if ids[o.id()] && !strings.HasSuffix(o.GetKind(), "WebhookConfiguration") {
			t.Errorf("both namespaces have %s", o.id())
		}
	}
}

// A Service must not send reviews to pods of jobs or of the test.
func TestServiceSelectsServersOnly(t *testing.T) {
	eachInstall(t, func(t *testing.T, _ install, objects []*object) {
		selector := labels.SelectorFromSet(into[corev1.Service](t, service(t, objects)).Spec.Selector)
		for _, p := range podsOf(t, objects) {
			if got, want := selector.Matches(labels.Set(p.meta.Labels)), p.owner.GetKind() == "Deployment"; got != want {
				t.Errorf("%s: selected %t, want %t", p.owner.id(), got, want)
			}
		}
	})
}

// Names and namespaces that read alike once they are put together.
func TestClusterWideNamesAreUnambiguous(t *testing.T) {
	ids := map[string]bool{}
	for _, o := range (install{release: "istio-sidecar-injector-a", namespace: "b", set: everyObject}).render(t) {
		if o.GetNamespace() == "" {
			ids[o.id()] = true
		}
	}
	for _, in := range []install{
		{namespace: "a-b", set: everyObject},
		{namespace: "b", set: append([]string{"fullnameOverride=istio-sidecar-injector"}, everyObject...)},
	} {
		for _, o := range in.render(t) {
			if o.GetNamespace() == "" && ids[o.id()] {
				t.Errorf("release istio-sidecar-injector-a in b and one in %s both have %s", in.namespace, o.id())
			}
		}
	}
}
