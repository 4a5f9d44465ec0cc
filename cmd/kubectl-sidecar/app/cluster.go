package app

import (
	"context"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/clusterinfo"
)

// fromCluster reads what the installed injector reads.
func (p *program) fromCluster(ctx context.Context, o *options) (*configuration, error) {
	client, err := p.client()
	if err != nil {
		return nil, err
	}
	c, err := find(ctx, live{client}, o.revision)
	if err != nil {
		return nil, err
	}
	c.cluster, err = readCluster(ctx, client)
	if err != nil {
		// Injecting works without; what depends on it is said where it matters.
		p.warn("namespaces and nodes cannot be read, so native sidecars count as off: %v", err)
	}
	return c, nil
}

func (p *program) client() (kubernetes.Interface, error) {
	rest, err := p.kube.ToRESTConfig()
	if err != nil {
		return nil, err
	}
	rest.UserAgent = "kubectl-sidecar"
	return kubernetes.NewForConfig(rest)
}

// live looks objects up in a cluster.
type live struct{ client kubernetes.Interface }

func (l live) webhookConfigurations(ctx context.Context) ([]admissionv1.MutatingWebhookConfiguration, error) {
	list, err := l.client.AdmissionregistrationV1().MutatingWebhookConfigurations().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

func (l live) service(ctx context.Context, namespace, name string) (*corev1.Service, error) {
	return l.client.CoreV1().Services(namespace).Get(ctx, name, metav1.GetOptions{})
}

func (l live) deployments(ctx context.Context, namespace string) ([]appsv1.Deployment, error) {
	list, err := l.client.AppsV1().Deployments(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

func (l live) configMap(ctx context.Context, namespace, name string) (*corev1.ConfigMap, error) {
	return l.client.CoreV1().ConfigMaps(namespace).Get(ctx, name, metav1.GetOptions{})
}

// cluster is what was found out about a cluster, once.
type cluster struct {
	namespaces map[string]corev1.Namespace
	nodes      map[string]bool // whether the node's kubelet runs native sidecars
}

func readCluster(ctx context.Context, client kubernetes.Interface) (*cluster, error) {
	namespaces, err := client.CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	c := &cluster{namespaces: map[string]corev1.Namespace{}, nodes: map[string]bool{}}
	for _, ns := range namespaces.Items {
		c.namespaces[ns.Name] = ns
	}
	for _, n := range nodes.Items {
		c.nodes[n.Name] = clusterinfo.RunsNativeSidecars(n.Status.NodeInfo.KubeletVersion)
	}
	return c, nil
}

// nativeSidecars asks about one node, or with an empty name about all of them.
func (c *cluster) nativeSidecars(node string) bool {
	if node != "" {
		return c.nodes[node]
	}
	for _, can := range c.nodes {
		if !can {
			return false
		}
	}
	return len(c.nodes) > 0
}
