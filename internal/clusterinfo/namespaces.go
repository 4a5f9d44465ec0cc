package clusterinfo

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/follower"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/trouble"
)

// NamespaceFollower returns what keeps the namespaces' labels and annotations.
func (c *Cache) NamespaceFollower(client kube.Lister[*corev1.NamespaceList], log *trouble.Log) *follower.Follower {
	const what = "namespaces (whose labels and annotations warnings and OpenShift user ids come from)"
	return follower.New(what, log, func(ctx context.Context, known func(), failed func(error)) {
		kube.FollowAll(ctx, client, c.namespaceHandler(known, failed))
	})
}

func (c *Cache) namespaceHandler(known func(), failed func(error)) kube.Handler[*corev1.Namespace] {
	set := func(n *corev1.Namespace) {
		c.namespaces.Store(n.Name, &namespace{labels: n.Labels, annotations: n.Annotations})
	}
	return kube.Handler[*corev1.Namespace]{
		Replace: func(list []*corev1.Namespace) {
			replaceAll(&c.namespaces, list, func(n *corev1.Namespace) string { return n.Name }, set)
			known()
		},
		Set:    set,
		Remove: func(n *corev1.Namespace) { c.namespaces.Delete(n.Name) },
		Shrink: shrinkNamespace,
		Failed: failed,
	}
}

func shrinkNamespace(n *corev1.Namespace) *corev1.Namespace {
	// What kubectl apply leaves there is as large as the object.
	delete(n.Annotations, corev1.LastAppliedConfigAnnotation)
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: n.Name, ResourceVersion: n.ResourceVersion, Labels: n.Labels, Annotations: n.Annotations,
	}}
}
