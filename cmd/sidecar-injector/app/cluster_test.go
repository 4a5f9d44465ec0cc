package app

import (
	"errors"
	"fmt"
	"os"
	"strings"
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
		if got := runsNativeSidecars(version); got != want {
			t.Errorf("%s: %v", version, got)
		}
	}
}

func TestNativeSidecars(t *testing.T) {
	c := &cluster{mode: "auto"}
	handler := c.nodeHandler(func() {})
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

	c.mode = "on"
	expect("on", "", true)
	c.mode = "off"
	handler.Replace([]*corev1.Node{node("a", "v1.33.0")})
	expect("off", "a", false)
}

func TestShrink(t *testing.T) {
	c := &cluster{}
	n := c.nodeHandler(func() {}).Shrink(node("a", "v1.33.0"))
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
	c := &cluster{}
	handler := c.namespaceHandler(func() {})
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

// TestAPIServerAwayAtStart starts with an API server that does not answer: the
// mounts serve, and the log tells of it without end but not without limit.
func TestAPIServerAwayAtStart(t *testing.T) {
	s := newSite(t)
	kubeconfig := s.path("kubeconfig")
	must(t, os.WriteFile(kubeconfig, []byte(`apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
contexts: [{name: c, context: {cluster: c, user: c}}]
current-context: c
users: [{name: c, user: {token: secret-token}}]
`), 0o600))
	i := start(t, s, "--kubeconfig="+kubeconfig, "--injectConfigMap=test/inject", "--meshConfigMap=test/mesh")
	i.waitReady()
	if got := i.mark(); got != "one" {
		t.Errorf("marked %q", got)
	}
	s.publish("inject", map[string]string{"config": goodConfig, "values": `{"mark": "two"}`})
	eventually(t, "the changed mount in force while the API server is away", func() bool { return i.mark() == "two" })
	log := i.log.String()
	for _, what := range []string{"configmap test/inject", "configmap test/mesh", "nodes", "namespaces"} {
		if n := strings.Count(log, "cannot list and watch "+what); n != 1 {
			t.Errorf("%d lines about %s, want 1:\n%s", n, what, log)
		}
	}
	if strings.Contains(log, "secret-token") {
		t.Error("the log holds the token")
	}
	i.stop()
	if status := i.wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

// TestMountBadAndAPIServerAway has nothing good to start from.
func TestMountBadAndAPIServerAway(t *testing.T) {
	s := newSite(t)
	s.publish("inject", map[string]string{"config": "policy: sometimes"})
	kubeconfig := s.path("kubeconfig")
	must(t, os.WriteFile(kubeconfig, []byte(`{"apiVersion":"v1","kind":"Config","clusters":[{"name":"c","cluster":{"server":"https://127.0.0.1:1"}}],"contexts":[{"name":"c","context":{"cluster":"c"}}],"current-context":"c"}`), 0o600))
	status, _, stderr := cli(t, s.args("--kubeconfig="+kubeconfig, "--injectConfigMap=test/inject")...)
	if status != 1 || !strings.Contains(stderr, "sidecar-injector: "+s.path("inject", "config")+":1: policy") {
		t.Errorf("exit status %d:\n%s", status, stderr)
	}
}

func configMap(values map[string]string) *corev1.ConfigMap { return &corev1.ConfigMap{Data: values} }

// TestChoose walks through what may happen to a ConfigMap and its mount.
func TestChoose(t *testing.T) {
	file := func(text string) documents {
		return documents{keyInject: {"file", []byte(text)}, keyValues: {"file", nil}}
	}
	noFile := errors.New("no file")
	m := &liveMap{name: "ns/cm", keys: []string{keyInject, keyValues}}
	steps := []struct {
		what    string
		do      func()
		files   documents
		err     error
		want    string // of key config
		wantErr string
	}{
		{"nothing heard yet", func() {}, file("1"), nil, "1", ""},
		{"nothing heard yet and no file", func() {}, nil, noFile, "", "no file"},
		{"away at start", func() { m.setConnected(false) }, file("1"), nil, "1", ""},
		{"connected before the content is there", func() { m.setConnected(true) }, file("1"), nil, "1", ""},
		{"content without its key", func() { _ = m.set(configMap(map[string]string{"values": "{}"})) }, file("1"), nil, "1", ""},
		{"the mount is older", func() { _ = m.set(configMap(map[string]string{"config": "2"})) }, file("1"), nil, "2", ""},
		{"the mount catches up", func() {}, file("2"), nil, "2", ""},
		{"a change that is no good stays out", func() { _ = m.set(configMap(map[string]string{"x": "y"})) }, file("2"), nil, "2", "configmap ns/cm has no key config"},
		{"the next good one", func() { _ = m.set(configMap(map[string]string{"config": "3", "values": "{}"})) }, file("2"), nil, "3", ""},
		{"deleted", func() { _ = m.set(nil) }, file("2"), nil, "3", "configmap ns/cm does not exist"},
		{"there again", func() { _ = m.set(configMap(map[string]string{"config": "4"})) }, file("2"), nil, "4", ""},
		{"away, the mount as it was", func() { m.setConnected(false) }, file("2"), nil, "4", ""},
		{"away, the mount catches up", func() {}, file("4"), nil, "4", ""},
		{"away, the mount goes on", func() {}, file("5"), nil, "5", ""},
		{"away, the mount is gone", func() {}, nil, noFile, "4", ""},
		{"back", func() { _ = m.set(configMap(map[string]string{"config": "6"})) }, file("5"), nil, "6", ""},
	}
	for _, s := range steps {
		s.do()
		docs, err := m.choose(s.files, s.err)
		if got := fmt.Sprint(err); err == nil && s.wantErr != "" || err != nil && got != s.wantErr {
			t.Errorf("%s: error %v, want %q", s.what, err, s.wantErr)
		}
		if got := string(docs[keyInject].data); got != s.want {
			t.Errorf("%s: chose %q, want %q", s.what, got, s.want)
		}
	}
	var none *liveMap
	if docs, err := none.choose(file("1"), nil); err != nil || string(docs[keyInject].data) != "1" {
		t.Errorf("without a ConfigMap: %v, %v", docs, err)
	}
}
