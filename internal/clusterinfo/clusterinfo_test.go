package clusterinfo

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func node(name, version string) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: "7", Labels: map[string]string{"a": "b"}},
		Status: corev1.NodeStatus{
			NodeInfo: corev1.NodeSystemInfo{KubeletVersion: version},
			Images:   []corev1.ContainerImage{{Names: []string{"large"}}},
		},
	}
}

func TestRunsNativeSidecars(t *testing.T) {
	for version, want := range map[string]bool{
		"v1.33.0": true, "v1.33.4-gke.1036000": true, "v1.34.1+k3s1": true, "v2.0.0": true, "1.33.0": true,
		"v1.32.9": false, "v1.32.9-eks-1234": false, "v1.9.0": false, "": false, "rubbish": false, "v1": false,
	} {
		if got := RunsNativeSidecars(version); got != want {
			t.Errorf("%s: %v", version, got)
		}
	}
}

func TestNativeSidecars(t *testing.T) {
	c := New("auto")
	handler := c.nodeHandler(func() {}, nil)
	expect := func(step string, node string, want bool) {
		t.Helper()
		if got := c.NativeSidecars(node); got != want {
			t.Errorf("%s: node %q: %v, want %v", step, node, got, want)
		}
	}
	expect("nothing known", "", false)
	expect("nothing known", "a", false)
	handler.Replace([]*corev1.Node{node("a", "v1.33.0"), node("b", "v1.34.0")})
	expect("all new", "", true)
	expect("all new", "a", true)
	expect("all new", "unknown", false)
	handler.Set(node("c", "v1.30.0"))
	expect("an old one came", "", false)
	expect("an old one came", "a", true)
	expect("an old one came", "c", false)
	handler.Set(node("c", "v1.33.1"))
	expect("it was upgraded", "", true)
	expect("it was upgraded", "c", true)
	handler.Set(node("b", "v1.20.0"))
	handler.Remove(node("b", "v1.20.0"))
	expect("an old one went", "", true)
	expect("an old one went", "b", false)
	handler.Replace([]*corev1.Node{node("d", "v1.10.0")})
	expect("listed anew", "", false)
	expect("listed anew", "a", false)
	handler.Replace(nil)
	expect("no nodes", "", false)

	c.nativeSidecars = "on"
	expect("on", "", true)
	c.nativeSidecars = "off"
	handler.Replace([]*corev1.Node{node("a", "v1.33.0")})
	expect("off", "a", false)
}

func TestShrink(t *testing.T) {
	c := New("auto")
	n := c.nodeHandler(func() {}, nil).Shrink(node("a", "v1.33.0"))
	if n.Name != "a" || n.ResourceVersion != "7" || n.Status.NodeInfo.KubeletVersion != "v1.33.0" || n.Status.Images != nil || n.Labels != nil {
		t.Errorf("got %+v", n)
	}
	ns := shrinkNamespace(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: "a", Labels: map[string]string{"l": "1"}, ManagedFields: []metav1.ManagedFieldsEntry{{}},
		Annotations: map[string]string{"k": "v", corev1.LastAppliedConfigAnnotation: "large"},
	}})
	if ns.ManagedFields != nil || len(ns.Annotations) != 1 || ns.Annotations["k"] != "v" || ns.Labels["l"] != "1" {
		t.Errorf("got %+v", ns)
	}
}

func TestNamespace(t *testing.T) {
	c := New("auto")
	handler := c.namespaceHandler(func() {}, nil)
	if _, _, ok := c.Namespace("a"); ok {
		t.Error("knows a namespace that nobody told")
	}
	ns := func(name, label string) *corev1.Namespace {
		return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"l": label}, Annotations: map[string]string{"a": label}}}
	}
	handler.Replace([]*corev1.Namespace{ns("a", "1"), ns("b", "1")})
	handler.Set(ns("a", "2"))
	handler.Remove(ns("b", "1"))
	labels, annotations, ok := c.Namespace("a")
	if !ok || labels["l"] != "2" || annotations["a"] != "2" {
		t.Errorf("got %v %v %v", labels, annotations, ok)
	}
	if _, _, ok := c.Namespace("b"); ok {
		t.Error("knows a namespace that is gone")
	}
}
