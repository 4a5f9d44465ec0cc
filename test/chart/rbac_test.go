package chart

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
)

// unnamed are the rules that no object's name can limit, and why.
var unnamed = map[string]string{
	"nodes list watch":      "kubelet versions of all nodes decide about native sidecars",
	"namespaces list watch": "pod security levels and user ranges of any namespace",
	"events create patch":   "a new object's name is not known beforehand; in the release's namespace alone",
	"pods create":           "a new object's name is not known beforehand; the test's role, in the test's namespace alone",
}

func rulesOf(t testing.TB, o *object) []rbacv1.PolicyRule {
	t.Helper()
	switch o.GetKind() {
	case "Role":
		return into[rbacv1.Role](t, o).Rules
	case "ClusterRole":
		return into[rbacv1.ClusterRole](t, o).Rules
	}
	return nil
}

func TestRulesNameTheirObjects(t *testing.T) {
	eachInstall(t, func(t *testing.T, _ install, objects []*object) {
		for _, o := range objects {
			for _, r := range rulesOf(t, o) {
				what := strings.Join(append(slices.Clone(r.Resources), r.Verbs...), " ")
				if slices.ContainsFunc(append(slices.Clone(r.Resources), r.Verbs...), func(s string) bool { return strings.Contains(s, "*") }) {
					t.Errorf("%s: %s: a wildcard", o.id(), what)
				}
				if _, allowed := unnamed[what]; len(r.ResourceNames) == 0 && !allowed {
					t.Errorf("%s: %s without resourceNames", o.id(), what)
				}
				if slices.Contains(r.Resources, "secrets") && slices.Contains(r.Verbs, "create") {
					t.Errorf("%s: may create secrets", o.id())
				}
				for _, name := range r.ResourceNames {
					for resource, kind := range map[string]string{
						"mutatingwebhookconfigurations": "MutatingWebhookConfiguration", "validatingwebhookconfigurations": "ValidatingWebhookConfiguration",
					} {
						if slices.Contains(r.Resources, resource) {
							one(t, objects, kind, name)
						}
					}
				}
			}
		}
	})
}

// rights lists what a service account may do, over all bindings.
func rights(t testing.TB, objects []*object, account string) []string {
	t.Helper()
	var out []string
	for _, o := range objects {
		var ref rbacv1.RoleRef
		var subjects []rbacv1.Subject
		switch o.GetKind() {
		case "RoleBinding":
			b := into[rbacv1.RoleBinding](t, o)
			ref, subjects = b.RoleRef, b.Subjects
		case "ClusterRoleBinding":
			b := into[rbacv1.ClusterRoleBinding](t, o)
			ref, subjects = b.RoleRef, b.Subjects
		}
		if !slices.ContainsFunc(subjects, func(s rbacv1.Subject) bool {
			return s.Kind == rbacv1.ServiceAccountKind && s.Name == account && s.Namespace == defaultNamespace
		}) {
			continue
		}
		for _, r := range rulesOf(t, one(t, objects, ref.Kind, ref.Name)) {
			where := o.GetNamespace()
			if where == "" {
				where = "cluster"
			}
			names := strings.Join(r.ResourceNames, ",")
			out = append(out, strings.TrimSpace(fmt.Sprintf("%s: %s %s %s", where, strings.Join(r.Verbs, ","), strings.Join(r.Resources, ","), names)))
		}
	}
	slices.Sort(out)
	return out
}

const (
	serverAccount = "istio-sidecar-injector-service-account"
	jobAccount    = "istio-sidecar-injector-certs"
	testAccount   = "istio-sidecar-injector-test"
	secretName    = "istio.istio-sidecar-injector-service-account"
)

// Exactly what the programs need, no more: account by account, setting by setting.
func TestRights(t *testing.T) {
	caBundle := "cluster: get,list,watch,patch mutatingwebhookconfigurations istio-sidecar-injector"
	guard := "cluster: get,list,watch,patch validatingwebhookconfigurations istio-sidecar-injector"
	namespaces := "cluster: list,watch namespaces"
	nodes := "cluster: list,watch nodes"
	writeSecret := "istio-system: get,list,watch,update secrets " + secretName
	readSecret := "istio-system: get,list,watch secrets " + secretName
	configMaps := "istio-system: get,list,watch configmaps istio-sidecar-injector,istio"
	events := "istio-system: create,patch events"
	record := "istio-system: get,list,watch,update configmaps istio-sidecar-injector-last-good"
	for _, c := range []struct {
		name    string
		set     []string
		account string
		want    []string
	}{
		{"default", nil, serverAccount, []string{caBundle, guard, namespaces, nodes, configMaps, events, record, writeSecret}},
		{"test", nil, testAccount, []string{"istio-sidecar-injector-test-16f4895e: create pods"}},
		{"files", []string{"configSource=files"}, serverAccount, []string{caBundle, namespaces, nodes, writeSecret}},
		{"no guard", []string{"configGuard.enabled=false"}, serverAccount, []string{caBundle, namespaces, nodes, configMaps, events, record, writeSecret}},
		{"no guard, job", []string{"configGuard.enabled=false", "certs.bootstrap=job"}, jobAccount, []string{caBundle, writeSecret}},
		{"native sidecars known", []string{"nativeSidecars=on"}, serverAccount, []string{caBundle, guard, namespaces, configMaps, events, record, writeSecret}},
		{"job, server", []string{"certs.bootstrap=job"}, serverAccount, []string{caBundle, guard, namespaces, nodes, configMaps, events, record, readSecret}},
		{"job", []string{"certs.bootstrap=job"}, jobAccount, []string{caBundle, guard, writeSecret}},
		{"existing secret", []string{"certs.mode=existingSecret", "certs.existingSecret.name=mine"}, serverAccount, []string{caBundle, guard, namespaces, nodes, configMaps, events, record}},
		{"cert-manager", []string{"certs.mode=certManager"}, serverAccount, []string{namespaces, nodes, configMaps, events, record}},
		{"no reconcile", []string{"webhook.reconcile=false"}, serverAccount, []string{namespaces, nodes, configMaps, events, record, writeSecret}},
		{"own names", []string{"injectConfig.name=mine", "meshConfig.name=mesh", "certs.secretName=certs"}, serverAccount, []string{
			caBundle, guard, namespaces, nodes,
			"istio-system: get,list,watch configmaps mine,mesh", events, record, "istio-system: get,list,watch,update secrets certs",
		}},
		{"no record", []string{"lastGood.enabled=false"}, serverAccount, []string{caBundle, guard, namespaces, nodes, configMaps, events, writeSecret}},
		{"none", []string{"rbac.create=false"}, serverAccount, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := rights(t, install{set: c.set}.render(t), c.account)
			slices.Sort(c.want)
			if difference := cmp.Diff(c.want, got); difference != "" {
				t.Errorf("-want +got\n%s", difference)
			}
		})
	}
}

// A pod's token is mounted where it is used, and nowhere else.
func TestTokens(t *testing.T) {
	objects := install{set: append([]string{"webhook.reconcile=true"}, everyObject...)}.render(t)
	for _, p := range podsOf(t, objects) {
		if got := p.spec.AutomountServiceAccountToken; got == nil || !*got {
			t.Errorf("%s: automountServiceAccountToken %v, want true", p.owner.id(), got)
		}
	}
	for _, p := range podsOf(t, install{set: []string{"validate.enabled=true", "validate.dryRun=false"}}.render(t)) {
		want := !strings.HasSuffix(p.owner.GetName(), "-validate")
		if got := p.spec.AutomountServiceAccountToken; got == nil || *got != want {
			t.Errorf("without dry run, %s: automountServiceAccountToken %v, want %t", p.owner.id(), got, want)
		}
	}
	for _, o := range objects {
		if o.GetKind() != "ServiceAccount" {
			continue
		}
		if got := into[corev1.ServiceAccount](t, o).AutomountServiceAccountToken; got == nil || *got {
			t.Errorf("%s: mounts its token into pods that do not ask", o.id())
		}
	}
}
