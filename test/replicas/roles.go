//go:build integration

package replicas

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
)

// roles grants exactly what the programs may need: what is missing here shows as a
// failed test.
func (s *Site) roles(ctx context.Context) error {
	config := rbacv1.PolicyRule{
		APIGroups: []string{"admissionregistration.k8s.io"}, Resources: []string{"mutatingwebhookconfigurations", "validatingwebhookconfigurations"}, ResourceNames: []string{Config},
		Verbs: []string{"get", "list", "watch", "patch"},
	}
	namespaces := rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"list", "watch"}}
	if !s.byJob {
		return s.grant(ctx, account, secretRule("update"), config, namespaces)
	}
	if err := s.grant(ctx, account, secretRule(), config, namespaces); err != nil {
		return err
	}
	return s.grant(ctx, jobAccount, secretRule("update"), config)
}

// secretRule is about the one Secret: reading it, and more.
func secretRule(more ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{
		APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{Secret},
		Verbs: append([]string{"get", "list", "watch"}, more...),
	}
}

// grant makes a service account with these rights, the first in the namespace and
// the others in the cluster.
func (s *Site) grant(ctx context.Context, name string, local rbacv1.PolicyRule, global ...rbacv1.PolicyRule) error {
	meta := metav1.ObjectMeta{Name: name}
	if _, err := s.Lab.Client.CoreV1().ServiceAccounts(Namespace).Create(ctx, &corev1.ServiceAccount{ObjectMeta: meta}, metav1.CreateOptions{}); err != nil {
		return err
	}
	subjects := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: name, Namespace: Namespace}}
	ref := func(kind string) rbacv1.RoleRef {
		return rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: name}
	}
	rbac := s.Lab.Client.RbacV1()
	if _, err := rbac.Roles(Namespace).Create(ctx, &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{local}}, metav1.CreateOptions{}); err != nil {
		return err
	}
	if _, err := rbac.RoleBindings(Namespace).Create(ctx, &rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: ref("Role"), Subjects: subjects}, metav1.CreateOptions{}); err != nil {
		return err
	}
	if _, err := rbac.ClusterRoles().Create(ctx, &rbacv1.ClusterRole{ObjectMeta: meta, Rules: global}, metav1.CreateOptions{}); err != nil {
		return err
	}
	_, err := rbac.ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{ObjectMeta: meta, RoleRef: ref("ClusterRole"), Subjects: subjects}, metav1.CreateOptions{})
	return err
}

// actAs writes a kubeconfig with the rights of a service account.
func (s *Site) actAs(name, path string) error {
	config, err := clientcmd.LoadFromFile(s.Lab.Kubeconfig)
	if err != nil {
		return err
	}
	for _, user := range config.AuthInfos {
		user.Impersonate = "system:serviceaccount:" + Namespace + ":" + name
	}
	return clientcmd.WriteToFile(*config, path)
}
