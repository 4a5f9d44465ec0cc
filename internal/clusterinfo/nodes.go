package clusterinfo

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/version"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/follower"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/trouble"
)

// NodeFollower returns what keeps the nodes' kubelet versions.
func (c *Cache) NodeFollower(client kube.Lister[*corev1.NodeList], log *trouble.Log) *follower.Follower {
	const what = "nodes (whose versions decide about native sidecars, unless --nativeSidecars is on or off)"
	return follower.New(what, log, func(ctx context.Context, known func(), failed func(error)) {
		kube.FollowAll(ctx, client, c.nodeHandler(known, failed))
	})
}

func (c *Cache) nodeHandler(known func(), failed func(error)) kube.Handler[*corev1.Node] {
	return kube.Handler[*corev1.Node]{
		Replace: func(list []*corev1.Node) {
			replaceAll(&c.nodes, list, func(n *corev1.Node) string { return n.Name }, func(n *corev1.Node) { c.setNode(n) })
			c.countNodes()
			known()
		},
		Set: func(n *corev1.Node) {
			if c.setNode(n) { // most updates are heartbeats
				c.countNodes()
			}
		},
		Remove: func(n *corev1.Node) { c.nodes.Delete(n.Name); c.countNodes() },
		Shrink: shrinkNode,
		Failed: failed,
	}
}

func (c *Cache) setNode(n *corev1.Node) (changed bool) {
	native := RunsNativeSidecars(n.Status.NodeInfo.KubeletVersion)
	before, known := c.nodes.Swap(n.Name, native)
	return !known || before != native
}

// countNodes works out the answer for pods that have no node yet.
func (c *Cache) countNodes() {
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

// RunsNativeSidecars reports whether a kubelet of this version, for example
// "v1.33.4-gke.1036000", runs native sidecars. Since 1.33 no feature gate can turn
// them off. A version that cannot be read counts as older.
func RunsNativeSidecars(kubelet string) bool {
	v, err := version.ParseGeneric(kubelet)
	return err == nil && v.AtLeast(version.MajorMinor(1, 33))
}
