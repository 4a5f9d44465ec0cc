package app

import (
	"context"
	"sync"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/version"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/trouble"
)

// cluster answers the engine's questions from memory. Readers take no lock; the
// followers are the only writers.
type cluster struct {
	mode       string // auto, on, off
	nodes      sync.Map
	everyNode  atomic.Bool
	namespaces sync.Map
}

// namespace is what is kept of a namespace.
type namespace struct{ labels, annotations map[string]string }

// NativeSidecars implements inject.Cluster.
func (c *cluster) NativeSidecars(node string) bool {
	switch c.mode {
	case "on":
		return true
	case "off":
		return false
	}
	if node == "" {
		return c.everyNode.Load()
	}
	native, ok := c.nodes.Load(node)
	return ok && native.(bool)
}

// Namespace implements inject.Cluster. The maps must not be changed.
func (c *cluster) Namespace(name string) (labels, annotations map[string]string, ok bool) {
	v, ok := c.namespaces.Load(name)
	if !ok {
		return nil, nil, false
	}
	n := v.(*namespace)
	return n.labels, n.annotations, true
}

// followNodes keeps the nodes' kubelet versions.
func (c *cluster) followNodes(client kube.Lister[*corev1.NodeList], log *trouble.Log) *follower {
	f := &follower{what: "nodes (whose versions decide about native sidecars, unless --nativeSidecars is on or off)", trouble: log, attempted: make(chan struct{})}
	handler := c.nodeHandler(f.attempt)
	f.follow = func(ctx context.Context, failed func(error)) {
		handler.Failed = failed
		kube.FollowAll(ctx, client, handler)
	}
	return f
}

// nodeHandler takes in nodes; listed is called when all are known.
func (c *cluster) nodeHandler(listed func()) kube.Handler[*corev1.Node] {
	set := func(n *corev1.Node) (changed bool) {
		native := runsNativeSidecars(n.Status.NodeInfo.KubeletVersion)
		before, known := c.nodes.Swap(n.Name, native)
		return !known || before != native
	}
	return kube.Handler[*corev1.Node]{
		Replace: func(list []*corev1.Node) {
			replaceAll(&c.nodes, list, func(n *corev1.Node) string { return n.Name }, func(n *corev1.Node) { set(n) })
			c.countNodes()
			listed()
		},
		Set: func(n *corev1.Node) {
			if set(n) { // most updates are heartbeats
				c.countNodes()
			}
		},
		Remove: func(n *corev1.Node) { c.nodes.Delete(n.Name); c.countNodes() },
		Shrink: shrinkNode,
	}
}

// countNodes works out the answer for pods that have no node yet.
func (c *cluster) countNodes() {
	some, all := false, true
	c.nodes.Range(func(_, native any) bool {
		some = true
		all = all && native.(bool)
		return all
	})
	c.everyNode.Store(some && all)
}

// shrinkNode drops what is not looked at: a node lists all of its images.
func shrinkNode(n *corev1.Node) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: n.Name, ResourceVersion: n.ResourceVersion},
		Status:     corev1.NodeStatus{NodeInfo: corev1.NodeSystemInfo{KubeletVersion: n.Status.NodeInfo.KubeletVersion}},
	}
}

// runsNativeSidecars tells from a kubelet's version, for example
// "v1.33.4-gke.1036000". Since 1.33 no feature gate can turn them off.
func runsNativeSidecars(kubelet string) bool {
	v, err := version.ParseGeneric(kubelet)
	return err == nil && v.AtLeast(version.MajorMinor(1, 33))
}

// followNamespaces keeps the namespaces' labels and annotations.
func (c *cluster) followNamespaces(client kube.Lister[*corev1.NamespaceList], log *trouble.Log) *follower {
	f := &follower{what: "namespaces (whose labels and annotations warnings and OpenShift user ids come from)", trouble: log, attempted: make(chan struct{})}
	handler := c.namespaceHandler(f.attempt)
	f.follow = func(ctx context.Context, failed func(error)) {
		handler.Failed = failed
		kube.FollowAll(ctx, client, handler)
	}
	return f
}

// namespaceHandler takes in namespaces; listed is called when all are known.
func (c *cluster) namespaceHandler(listed func()) kube.Handler[*corev1.Namespace] {
	set := func(n *corev1.Namespace) {
		c.namespaces.Store(n.Name, &namespace{labels: n.Labels, annotations: n.Annotations})
	}
	return kube.Handler[*corev1.Namespace]{
		Replace: func(list []*corev1.Namespace) {
			replaceAll(&c.namespaces, list, func(n *corev1.Namespace) string { return n.Name }, set)
			listed()
		},
		Set:    set,
		Remove: func(n *corev1.Namespace) { c.namespaces.Delete(n.Name) },
		Shrink: shrinkNamespace,
	}
}

func shrinkNamespace(n *corev1.Namespace) *corev1.Namespace {
	// What kubectl apply leaves there is as large as the object.
	delete(n.Annotations, corev1.LastAppliedConfigAnnotation)
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: n.Name, ResourceVersion: n.ResourceVersion, Labels: n.Labels, Annotations: n.Annotations,
	}}
}

// replaceAll makes m hold what is in list and nothing else. Readers see each
// name that was there and still is at every moment.
func replaceAll[T any](m *sync.Map, list []T, key func(T) string, set func(T)) {
	keep := make(map[string]bool, len(list))
	for _, item := range list {
		keep[key(item)] = true
		set(item)
	}
	m.Range(func(k, _ any) bool {
		if !keep[k.(string)] {
			m.Delete(k)
		}
		return true
	})
}
