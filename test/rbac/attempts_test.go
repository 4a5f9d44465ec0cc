//go:build integration

package rbac

import (
	"context"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/lab"
)

// attempt is something that is really done, not only asked for.
type attempt struct {
	account, what string
	do            func(context.Context, kubernetes.Interface) error
}

// attempts tries beyond the rights what an intruder would try first, and within
// them what the programs do: that these succeed shows that the others are not
// refused for some other reason.
func (in install) attempts(ctx context.Context, t *testing.T, sum *counts) {
	t.Helper()
	in.others(ctx, t)
	for name := range in.accounts {
		client, err := account{in.namespace, name}.client(cluster.Config)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range in.beyond(name) {
			sum.attempts++
			if err := a.do(ctx, client); !apierrors.IsForbidden(err) {
				t.Errorf("%s could %s: %v", name, a.what, err)
				continue
			}
			sum.refused++
		}
	}
	for _, a := range in.within() {
		client, err := account{in.namespace, a.account}.client(cluster.Config)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.do(ctx, client); err != nil {
			t.Errorf("%s could not %s: %v", a.account, a.what, err)
		}
	}
}

// others makes objects that are there to be attacked: one that is missing would be
// refused or not found alike.
func (in install) others(ctx context.Context, t *testing.T) {
	t.Helper()
	for _, namespace := range []string{in.namespace, otherNamespace} {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: otherName}, Data: map[string][]byte{"password": []byte("x")}}
		if _, err := cluster.Client.CoreV1().Secrets(namespace).Create(ctx, secret, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			t.Fatal(err)
		}
	}
	webhooks := cluster.Client.AdmissionregistrationV1().MutatingWebhookConfigurations()
	own, err := webhooks.Get(ctx, webhookConfig, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	other := own.DeepCopy()
	other.ObjectMeta = metav1.ObjectMeta{Name: otherName}
	if _, err := webhooks.Create(ctx, other, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := webhooks.Delete(context.WithoutCancel(ctx), otherName, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
}

// writeSecret reads nothing: not all accounts may.
func writeSecret(namespace, name string) func(context.Context, kubernetes.Interface) error {
	return func(ctx context.Context, c kubernetes.Interface) error {
		_, err := c.CoreV1().Secrets(namespace).Update(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.UpdateOptions{})
		return err
	}
}

func patchBundle(name string) func(context.Context, kubernetes.Interface) error {
	return func(ctx context.Context, c kubernetes.Interface) error {
		_, err := c.AdmissionregistrationV1().MutatingWebhookConfigurations().Patch(ctx, name, types.JSONPatchType,
			[]byte(`[{"op":"add","path":"/webhooks/0/clientConfig/caBundle","value":""}]`), metav1.PatchOptions{})
		return err
	}
}

// beyond is refused to the account.
func (in install) beyond(name string) []attempt {
	ns := in.namespace
	all := []attempt{
		{what: "update another secret", do: writeSecret(ns, otherName)},
		{what: "update a secret elsewhere", do: writeSecret(otherNamespace, otherName)},
		{what: "read another secret", do: func(ctx context.Context, c kubernetes.Interface) error {
			_, err := c.CoreV1().Secrets(ns).Get(ctx, otherName, metav1.GetOptions{})
			return err
		}},
		{what: "list the secrets of its namespace", do: func(ctx context.Context, c kubernetes.Interface) error {
			_, err := c.CoreV1().Secrets(ns).List(ctx, metav1.ListOptions{})
			return err
		}},
		{what: "list the secrets of the cluster", do: func(ctx context.Context, c kubernetes.Interface) error {
			_, err := c.CoreV1().Secrets("").List(ctx, metav1.ListOptions{})
			return err
		}},
		{what: "create a secret", do: func(ctx context.Context, c kubernetes.Interface) error {
			_, err := c.CoreV1().Secrets(ns).Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{GenerateName: "new-"}}, metav1.CreateOptions{})
			return err
		}},
		{what: "delete its secret", do: func(ctx context.Context, c kubernetes.Interface) error {
			return c.CoreV1().Secrets(ns).Delete(ctx, secretName, metav1.DeleteOptions{})
		}},
		{what: "patch another webhook configuration", do: patchBundle(otherName)},
		{what: "update its webhook configuration", do: func(ctx context.Context, c kubernetes.Interface) error {
			webhooks := c.AdmissionregistrationV1().MutatingWebhookConfigurations()
			own, err := cluster.Client.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(ctx, webhookConfig, metav1.GetOptions{})
			if err != nil {
				return err
			}
			_, err = webhooks.Update(ctx, own, metav1.UpdateOptions{})
			return err
		}},
		{what: "delete its webhook configuration", do: func(ctx context.Context, c kubernetes.Interface) error {
			return c.AdmissionregistrationV1().MutatingWebhookConfigurations().Delete(ctx, webhookConfig, metav1.DeleteOptions{})
		}},
		{what: "change its configuration", do: func(ctx context.Context, c kubernetes.Interface) error {
			_, err := c.CoreV1().ConfigMaps(ns).Patch(ctx, injectMap, types.MergePatchType, []byte(`{"data":{"config":""}}`), metav1.PatchOptions{})
			return err
		}},
		{what: "make a token for itself", do: func(ctx context.Context, c kubernetes.Interface) error {
			_, err := c.CoreV1().ServiceAccounts(ns).CreateToken(ctx, name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
			return err
		}},
		{what: "make itself the cluster's administrator", do: func(ctx context.Context, c kubernetes.Interface) error {
			_, err := c.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
				ObjectMeta: metav1.ObjectMeta{GenerateName: "new-"},
				RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
				Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: ns, Name: name}},
			}, metav1.CreateOptions{})
			return err
		}},
	}
	// A dry run needs the right to create pods, in the one namespace.
	if name == validateAccount {
		all = append(all, attempt{what: "create a pod elsewhere", do: createPod(otherNamespace)})
	} else {
		all = append(all, attempt{what: "create a pod", do: createPod(ns)})
	}
	if !in.grants(name, "secrets", "update") {
		all = append(all, attempt{what: "update the certificate", do: writeSecret(ns, secretName)})
	}
	if !in.grants(name, keepBundle.resource, "patch") {
		all = append(all, attempt{what: "patch the webhook configuration", do: patchBundle(webhookConfig)})
	}
	return all
}

func createPod(namespace string) func(context.Context, kubernetes.Interface) error {
	return func(ctx context.Context, c kubernetes.Interface) error {
		_, err := c.CoreV1().Pods(namespace).Create(ctx, lab.UnschedulablePod(namespace, "new", nil), metav1.CreateOptions{})
		return err
	}
}

func (in install) grants(name, resource, verb string) bool {
	for _, g := range in.accounts[name] {
		if g.resource == resource {
			for _, v := range g.verbs {
				if v == verb {
					return true
				}
			}
		}
	}
	return false
}

// within is what the programs do.
func (in install) within() []attempt {
	var all []attempt
	for name := range in.accounts {
		if in.grants(name, "secrets", "update") {
			all = append(all, attempt{name, "update its secret", writeSecret(in.namespace, secretName)})
		}
		if in.grants(name, keepBundle.resource, "patch") {
			all = append(all, attempt{name, "patch its webhook configuration", patchBundle(webhookConfig)})
		}
	}
	return all
}
