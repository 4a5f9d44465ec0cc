package chart

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/releaseutil"
	batchv1 "k8s.io/api/batch/v1"
)

// hooks returns the hooks of an event in Helm's order.
func hooks(t testing.TB, in install, event release.HookEvent) []*release.Hook {
	t.Helper()
	texts, err := in.texts(t)
	if err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(texts, func(name, _ string) bool { return strings.HasSuffix(name, "NOTES.txt") })
	all, _, err := releaseutil.SortManifests(texts, chartutil.DefaultVersionSet, releaseutil.InstallOrder)
	if err != nil {
		t.Fatal(err)
	}
	all = slices.DeleteFunc(all, func(h *release.Hook) bool { return !slices.Contains(h.Events, event) })
	slices.SortStableFunc(all, func(a, b *release.Hook) int { return a.Weight - b.Weight })
	return all
}

func kinds(hooks []*release.Hook) string {
	var out []string
	for _, h := range hooks {
		out = append(out, h.Kind)
	}
	return strings.Join(out, " ")
}

// What a hook needs is there before it, and nothing is left of that, whether it
// succeeded or failed; what ran shows its log. A validation that failed stays, for
// Helm names its Job, and people ask it for the reason.
func TestHooks(t *testing.T) {
	const test = "Namespace ServiceAccount Role RoleBinding Pod"
	for _, c := range []struct {
		name  string
		set   []string
		event release.HookEvent
		want  string
	}{
		{"test", nil, release.HookTest, test},
		{"test in a namespace of one's own", []string{"check.namespace=mine"}, release.HookTest, "ServiceAccount Role RoleBinding Pod"},
		{"nothing else by default: install", nil, release.HookPreInstall, ""},
		{"nothing else by default: after install", nil, release.HookPostInstall, ""},
		{"validate before install", []string{"validate.enabled=true"}, release.HookPreInstall, "ServiceAccount ConfigMap Role RoleBinding Job"},
		{"validate before upgrade", []string{"validate.enabled=true"}, release.HookPreUpgrade, "ServiceAccount ConfigMap Role RoleBinding Job"},
		{"validate without dry run", []string{"validate.enabled=true", "validate.dryRun=false"}, release.HookPreUpgrade, "ConfigMap Job"},
		{"validate without roles", []string{"validate.enabled=true", "rbac.create=false"}, release.HookPreUpgrade, "ConfigMap Job"},
		{"check after install", []string{"check.enabled=true"}, release.HookPostInstall, test},
		{"check after upgrade", []string{"check.enabled=true"}, release.HookPostUpgrade, test},
		{"certificates are no hook", []string{"certs.bootstrap=job"}, release.HookPreInstall, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := hooks(t, install{set: c.set}, c.event)
			if kinds(got) != c.want {
				t.Errorf("hooks %q, want %q", kinds(got), c.want)
			}
			for _, h := range got {
				want := []release.HookDeletePolicy{release.HookBeforeHookCreation, release.HookSucceeded, release.HookFailed}
				if h.Kind == "Job" {
					want = want[:2]
				}
				if !slices.Equal(h.DeletePolicies, want) {
					t.Errorf("%s: delete policies %v, want %v", h.Kind, h.DeletePolicies, want)
				}
				if runs := h.Kind == "Job" || h.Kind == "Pod"; runs && !slices.Contains(h.OutputLogPolicies, release.HookOutputOnFailed) {
					t.Errorf("%s: log shown on %v, want on failure", h.Kind, h.OutputLogPolicies)
				}
			}
		})
	}
}

// Helm deletes a hook's objects by kind and name: one that had the name of an object of
// the release would take that with it.
func TestHooksShareNoNames(t *testing.T) {
	eachInstall(t, func(t *testing.T, in install, objects []*object) {
		owner := map[string]string{}
		for _, o := range objects {
			hook := o.GetAnnotations()["helm.sh/hook"]
			if other, twice := owner[o.id()]; twice {
				t.Errorf("%s is there twice, of hooks %q and %q", o.id(), other, hook)
			}
			owner[o.id()] = hook
		}
	})
}

// The Job renders for the same cluster as the servers, and asks the API server as an
// account of its own.
func TestValidationIsThatOfTheServers(t *testing.T) {
	for _, c := range []struct {
		set     []string
		want    map[string]string // an empty value: the flag is not there
		account string
	}{
		{nil, map[string]string{"dry-run": "server", "namespace": "istio-system", "nativeSidecars": "on", "platform": "", "templateEnv": ""}, "istio-sidecar-injector-validate"},
		{[]string{"validate.dryRun=false"}, map[string]string{"dry-run": "", "namespace": ""}, ""},
		{[]string{"rbac.create=false"}, map[string]string{"dry-run": ""}, ""},
		{
			[]string{"nativeSidecars=off", "global.platform=openshift", "global.compliancePolicy=fips-140-2", "templateEnv={A,B}", "extraEnv[0].name=A", "extraEnv[0].value=1", "extraEnv[1].name=C"},
			map[string]string{"nativeSidecars": "off", "platform": "openshift", "compliancePolicy": "fips-140-2", "templateEnv": "A,B"},
			"istio-sidecar-injector-validate",
		},
	} {
		objects := install{set: append(c.set, "validate.enabled=true")}.render(t)
		spec := into[batchv1.Job](t, one(t, objects, "Job", "istio-sidecar-injector-validate")).Spec.Template.Spec
		got := flagsOf(t, spec.Containers[0])
		for name, want := range c.want {
			if got[name] != want {
				t.Errorf("%v: --%s=%s, want %q", c.set, name, got[name], want)
			}
		}
		if token := *spec.AutomountServiceAccountToken; spec.ServiceAccountName != c.account || token != (c.account != "") {
			t.Errorf("%v: account %q, token %t", c.set, spec.ServiceAccountName, token)
		}
		for _, e := range spec.Containers[0].Env {
			if e.Name != "A" {
				t.Errorf("%v: variable %s, which no template may read", c.set, e.Name)
			}
		}
		if n := len(spec.Containers[0].Env); (n == 1) != (got["templateEnv"] != "") {
			t.Errorf("%v: %d variables", c.set, n)
		}
	}
}

// A Job's pod can never change: whenever what is in it changes, and at each
// revision of the release, it is another Job; rendered again, it is the same.
func TestCertificateJobIsNewWhenItMustBe(t *testing.T) {
	name := func(in install) string {
		in.set = append(in.set, "certs.bootstrap=job")
		return one(t, in.render(t), "Job", "").GetName()
	}
	first := name(install{revision: 1})
	if again := name(install{revision: 1}); again != first {
		t.Errorf("rendered again: %s, want %s", again, first)
	}
	for what, in := range map[string]install{
		"next revision": {revision: 2},
		"another image": {revision: 1, set: []string{"image.tag=next"}},
		"other policy":  {revision: 1, set: []string{"certs.certValidity=1h"}},
	} {
		if got := name(in); got == first {
			t.Errorf("%s: the same Job %s", what, got)
		}
	}
}

// The test's namespace must be one that the webhook is called for.
func TestTheTestLooksWhereTheWebhookLooks(t *testing.T) {
	eachInstall(t, func(t *testing.T, _ install, objects []*object) {
		namespace := one(t, objects, "Namespace", "")
		labels := maps.Clone(namespace.GetLabels())
		labels["kubernetes.io/metadata.name"] = namespace.GetName()
		if !matches(t, webhookOf(t, objects).NamespaceSelector, labels) {
			t.Errorf("namespace %s with labels %v is not selected", namespace.GetName(), labels)
		}
		for _, p := range podsOf(t, objects) {
			if c := p.spec.Containers[0]; c.Name == "check" && flagsOf(t, c)["namespace"] != namespace.GetName() {
				t.Errorf("the test looks at %s, the namespace is %s", flagsOf(t, c)["namespace"], namespace.GetName())
			}
		}
	})
}
