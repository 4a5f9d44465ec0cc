//go:build integration

// These tests ask the API server that KUBECONFIG names. What they make has names of
// its own and is removed.
package dryrun

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

// place is a namespace of the test's own.
type place struct {
	t         *testing.T
	config    *rest.Config
	admin     kubernetes.Interface
	namespace string
}

func newPlace(t *testing.T, labels map[string]string) *place {
	t.Helper()
	config, err := kube.Config(os.Getenv("KUBECONFIG"), "dryrun-test")
	if err != nil {
		t.Fatal(err)
	}
	config.WarningHandler = rest.NoWarnings{}
	admin, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	made, err := admin.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "dryrun-", Labels: labels}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := admin.CoreV1().Namespaces().Delete(context.Background(), made.Name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	return &place{t: t, config: config, admin: admin, namespace: made.Name}
}

// server asks as the service account of that name, or as whom KUBECONFIG names.
func (p *place) server(account string) Server {
	p.t.Helper()
	config := rest.CopyConfig(p.config)
	if account != "" {
		config.Impersonate.UserName = "system:serviceaccount:" + p.namespace + ":" + account
	}
	clients, err := kube.NewClients(config)
	if err != nil {
		p.t.Fatal(err)
	}
	return Server{Pods: clients.Pods(p.namespace), Namespace: p.namespace, Strict: true}
}

// with is a sample pod to which a container was added.
func with(container string) []inject.Trial {
	pod := fmt.Sprintf(`{"metadata":{"name":"served","generateName":"served-","ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"rs"}]},
		"spec":{"serviceAccountName":"example","containers":[{"name":"app","image":"app"},%s]}}`, container)
	return []inject.Trial{trial("served", pod)}
}

const good = `{"name":"sidecar","image":"proxy:1"}`

func (p *place) want(got Result, tried int, errors, warnings, skipped string) {
	p.t.Helper()
	replace := strings.NewReplacer(p.namespace, "NS")
	for _, c := range []struct{ what, got, want string }{
		{"errors", messages(got.Errors), errors},
		{"warnings", strings.Join(got.Warnings, "\n"), warnings},
		{"skipped", strings.Join(got.Skipped, "\n"), skipped},
	} {
		if text := replace.Replace(c.got); text != c.want {
			p.t.Errorf("%s:\n%s\nwant:\n%s", c.what, text, c.want)
		}
	}
	if got.Tried != tried {
		p.t.Errorf("tried %d, want %d", got.Tried, tried)
	}
}

const refuses = `sample pod "served" with the templates sidecar: the API server refuses the injected pod: `

func TestRealAPIServer(t *testing.T) {
	p := newPlace(t, nil)
	for _, c := range []struct{ name, container, errors string }{
		{"good", good, ""},
		{"name", `{"name":"X_Bad","image":"p"}`, refuses + `spec.containers[1].name: Invalid value: "X_Bad": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')`},
		{"no image, and a volume that is not there", `{"name":"sidecar","volumeMounts":[{"name":"none","mountPath":"/x"}]}`, refuses + "spec.containers[1].image: Required value\n" + refuses + `spec.containers[1].volumeMounts[0].name: Not found: "none"`},
		{"a field that the injector has told of, and no image", `{"name":"sidecar","imagee":"p"}`, refuses + "spec.containers[1].image: Required value"},
		{"a name twice", `{"name":"app","image":"p"}`, refuses + `spec.containers[1].name: Duplicate value: "app"`},
		{"type", `{"name":"sidecar","image":7}`, refuses + `json: cannot unmarshal number into Go struct field Container.spec.containers.image of type string`},
		{"quantity", `{"name":"sidecar","image":"p","resources":{"limits":{"memory":"many"}}}`, refuses + `quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'`},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := *p
			q.t = t
			q.want(q.server("").Try(t.Context(), with(c.container)), 1, c.errors, "", "")
		})
	}
	t.Run("a field that was asked for", func(t *testing.T) {
		s := p.server("")
		s.Asked = []string{"spec.containers.someday"}
		p.want(s.Try(t.Context(), with(`{"name":"sidecar","image":"p","someday":1}`)), 1, "", `sample pod "served" with the templates sidecar: the API server does not know spec.containers[1].someday and drops it`, "")
	})
	pods, err := p.admin.CoreV1().Pods(p.namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(pods.Items) != 0 {
		t.Errorf("a dry run made %d pods (%v)", len(pods.Items), err)
	}
}

// A namespace that enforces a level does not let in the pod; what is wrong with the
// pod is found all the same.
func TestRealPodSecurity(t *testing.T) {
	p := newPlace(t, map[string]string{"pod-security.kubernetes.io/enforce": "restricted"})
	got := p.server("").Try(t.Context(), with(good))
	if len(got.Errors) != 0 || got.Tried != 0 || len(got.Skipped) != 1 || !strings.Contains(got.Skipped[0], `does not let in such a pod: violates PodSecurity "restricted:latest": `) {
		t.Errorf("%+v", got)
	}
	p.want(p.server("").Try(t.Context(), with(`{"name":"sidecar"}`)), 1, refuses+"spec.containers[1].image: Required value", "", "")
}

func TestRealQuota(t *testing.T) {
	p := newPlace(t, nil)
	_, err := p.admin.CoreV1().ResourceQuotas(p.namespace).Create(t.Context(), &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Name: "none"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("0")}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var got Result
	p.eventually("the quota in force", func() bool {
		got = p.server("").Try(t.Context(), with(good))
		return len(got.Skipped) == 1
	})
	if len(got.Errors) != 0 || !strings.Contains(got.Skipped[0], "quota") {
		t.Errorf("%+v", got)
	}
}

// A policy answers with the reason Invalid, which is not about the pod's fields.
func TestRealPolicy(t *testing.T) {
	p := newPlace(t, nil)
	api := p.admin.AdmissionregistrationV1()
	policy, err := api.ValidatingAdmissionPolicies().Create(t.Context(), &admissionv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: p.namespace},
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionv1.MatchResources{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": p.namespace}},
				ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
					Operations: []admissionv1.OperationType{admissionv1.Create},
					Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
				}}},
			},
			Validations:   []admissionv1.Validation{{Expression: "false", Message: "no pods here"}},
			FailurePolicy: ptr.To(admissionv1.Fail),
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = api.ValidatingAdmissionPolicies().Delete(context.Background(), policy.Name, metav1.DeleteOptions{})
		_ = api.ValidatingAdmissionPolicyBindings().Delete(context.Background(), policy.Name, metav1.DeleteOptions{})
	})
	if _, err := api.ValidatingAdmissionPolicyBindings().Create(t.Context(), &admissionv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: policy.Name},
		Spec:       admissionv1.ValidatingAdmissionPolicyBindingSpec{PolicyName: policy.Name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	var got Result
	p.eventually("the policy in force", func() bool {
		got = p.server("").Try(t.Context(), with(good))
		return len(got.Skipped) == 1
	})
	if len(got.Errors) != 0 || !strings.Contains(got.Skipped[0], "no pods here") {
		t.Errorf("%+v", got)
	}
}

func TestRealRights(t *testing.T) {
	p := newPlace(t, nil)
	missing := `the injected sample pods were not tried by the API server in namespace "NS": the right to create pods there is missing ` +
		`(pods is forbidden: User "system:serviceaccount:NS:validate" cannot create resource "pods" in API group "" in the namespace "NS"): grant it, or validate without the dry run`
	p.want(p.server("validate").Try(t.Context(), with(good)), 0, missing, "", "")

	rbac := p.admin.RbacV1()
	if _, err := rbac.Roles(p.namespace).Create(t.Context(), &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Name: "validate"},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"create"}}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := rbac.RoleBindings(p.namespace).Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "validate"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "validate"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: p.namespace, Name: "validate"}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	s := p.server("validate")
	s.Patience = 20 * time.Second // the API server sees the role a moment later
	p.want(s.Try(t.Context(), with(good)), 1, "", "", "")
}

func TestRealPlacesThatAreNot(t *testing.T) {
	p := newPlace(t, nil)
	clients, err := kube.NewClients(p.config)
	if err != nil {
		t.Fatal(err)
	}
	s := Server{Pods: clients.Pods("no-such-namespace"), Namespace: "no-such-namespace"}
	p.want(s.Try(t.Context(), with(good)), 0, `the injected sample pods were not tried by the API server in namespace "no-such-namespace": there is no such namespace: create it, or name another`, "", "")

	away := rest.CopyConfig(p.config)
	away.Host = "https://127.0.0.1:1"
	if clients, err = kube.NewClients(away); err != nil {
		t.Fatal(err)
	}
	s = Server{Pods: clients.Pods("default"), Namespace: "default"}
	p.want(s.Try(t.Context(), with(good)), 0, `the injected sample pods were not tried by the API server in namespace "default", which does not answer: dial tcp 127.0.0.1:1: connect: connection refused`, "", "")
}

// What it costs an API server: a whole configuration's pods.
func TestRealCost(t *testing.T) {
	p := newPlace(t, nil)
	var trials []inject.Trial
	for i := range 2 * maxPods {
		name, _ := json.Marshal(fmt.Sprintf("sidecar-%d", i))
		trials = append(trials, with(fmt.Sprintf(`{"name":%s,"image":"p"}`, name))...)
	}
	begin := time.Now()
	got := p.server("").Try(t.Context(), trials)
	t.Logf("%d pods in %s", got.Tried, time.Since(begin).Round(time.Millisecond))
	if got.Tried != maxPods || len(got.Errors) != 0 || len(got.Skipped) != 1 {
		t.Errorf("tried %d, errors %q, skipped %q", got.Tried, got.Errors, got.Skipped)
	}
}

func (p *place) eventually(what string, ok func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("not within 30 s: %s", what)
		}
	}
}
