package lab

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// RolledOut waits until every replica of the deployment is of its newest pod
// template and available.
func (l *Lab) RolledOut(ctx context.Context, namespace, name string) error {
	return poll(ctx, fmt.Sprintf("deployment %s/%s to roll out", namespace, name), func(ctx context.Context) (bool, error) {
		d, err := l.Client.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		want, s := *d.Spec.Replicas, d.Status
		return s.ObservedGeneration >= d.Generation && s.UpdatedReplicas == want && s.AvailableReplicas == want && s.Replicas == want, nil
	})
}

// owned lists the kinds the chart can create.
var owned = []schema.GroupVersionResource{
	{Version: "v1", Resource: "configmaps"},
	{Version: "v1", Resource: "secrets"},
	{Version: "v1", Resource: "services"},
	{Version: "v1", Resource: "serviceaccounts"},
	{Version: "v1", Resource: "pods"},
	{Group: "apps", Version: "v1", Resource: "deployments"},
	{Group: "batch", Version: "v1", Resource: "jobs"},
	{Group: "batch", Version: "v1", Resource: "cronjobs"},
	{Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"},
	{Group: "autoscaling", Version: "v2", Resource: "horizontalpodautoscalers"},
	{Group: "networking.k8s.io", Version: "v1", Resource: "networkpolicies"},
	{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "roles"},
	{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "rolebindings"},
	{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterroles"},
	{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterrolebindings"},
	{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "mutatingwebhookconfigurations"},
	{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "validatingwebhookconfigurations"},
}

// Owned lists, as kind namespace/name, the objects in the cluster that carry
// the release's instance label, and Helm's own records of the release.
func (l *Lab) Owned(ctx context.Context, release string) ([]string, error) {
	client, err := dynamic.NewForConfig(l.Config)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, kind := range owned {
		for _, selector := range []string{"app.kubernetes.io/instance=" + release, "owner=helm,name=" + release} {
			list, err := client.Resource(kind).List(ctx, metav1.ListOptions{LabelSelector: selector})
			if err != nil {
				return nil, fmt.Errorf("list %s: %w", kind.Resource, err)
			}
			for _, o := range list.Items {
				if o.GetDeletionTimestamp() == nil {
					found = append(found, fmt.Sprintf("%s %s/%s", kind.Resource, o.GetNamespace(), o.GetName()))
				}
			}
		}
	}
	return found, nil
}
