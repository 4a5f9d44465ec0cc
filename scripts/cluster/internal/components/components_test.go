package components

import (
	"crypto/x509"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/parts"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/pki"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/plan"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/supervisor"
)

func withNode() Cluster {
	return Cluster{
		Dir: "/state/demo", Node: true, NodeName: "demo-node", Plan: plan.WithNode(3), Snapshotter: "overlayfs",
		Programs: Programs{
			Kubernetes: "/c/kubernetes", Containerd: "/c/containerd", CNI: "/c/cni", CoreDNS: "/c/coredns", Runc: "/c/tools/runc",
			Tools: parts.Tools{Path: []string{"/c/tools"}, Libraries: "/c/lib"},
		},
	}
}

func controlPlane() Cluster {
	c := withNode()
	c.Node, c.Plan = false, plan.ControlPlaneOnly(3)
	return c
}

func names(list []supervisor.Component) []string {
	var all []string
	for _, c := range list {
		all = append(all, c.Name)
	}
	return all
}

func TestComponents(t *testing.T) {
	plane := []string{Etcd, APIServer, ControllerManager, Scheduler}
	if got := names(controlPlane().List()); !slices.Equal(got, plane) {
		t.Errorf("a control plane is %q, want %q", got, plane)
	}
	if got, want := names(withNode().List()), append(plane, Containerd, Kubelet, Proxy, CoreDNS); !slices.Equal(got, want) {
		t.Errorf("a cluster is %q, want %q", got, want)
	}
}

func TestEveryComponentCanBeWatched(t *testing.T) {
	for _, c := range withNode().List() {
		if c.Health == "" || c.Log == "" || c.Patience == 0 || c.Args[0] != c.Name {
			t.Errorf("%s: health %q, log %q, patience %s, name %q", c.Name, c.Health, c.Log, c.Patience, c.Args[0])
		}
	}
}

func TestStopOrder(t *testing.T) {
	stage := map[string]int{}
	for _, c := range withNode().List() {
		stage[c.Name] = c.Stop
	}
	if stage[Kubelet] >= stage[APIServer] || stage[ControllerManager] >= stage[APIServer] {
		t.Errorf("clients of the API server do not stop before it: %v", stage)
	}
	if stage[APIServer] >= stage[Etcd] {
		t.Errorf("the API server does not stop before etcd: %v", stage)
	}
}

// A control plane shares the machine's network: what it listens on must not be
// reachable from outside, and the machine's webhooks must be at 127.0.0.1.
func TestControlPlaneIsOnLoopback(t *testing.T) {
	for _, c := range controlPlane().List() {
		if !c.HostNetwork {
			t.Errorf("%s is not in the machine's network", c.Name)
		}
		if all := strings.Join(c.Args, " "); strings.Contains(all, "0.0.0.0") {
			t.Errorf("%s listens on all addresses: %s", c.Name, all)
		}
	}
	if got, want := controlPlane().Server(), "https://127.0.0.1:26473"; got != want {
		t.Errorf("server is %q, want %q", got, want)
	}
}

func TestNodeIsInItsOwnNetwork(t *testing.T) {
	for _, c := range withNode().List() {
		if c.HostNetwork {
			t.Errorf("%s is in the machine's network", c.Name)
		}
	}
	if got, want := withNode().Server(), "https://10.213.3.2:6443"; got != want {
		t.Errorf("server is %q, want %q", got, want)
	}
}

func TestEnvironmentHoldsNoProxies(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://proxy")
	for _, c := range withNode().List() {
		if all := strings.Join(c.Env, " "); strings.Contains(all, "PROXY") || !strings.Contains(all, "PATH=/c/containerd:/c/tools:") {
			t.Errorf("%s has the environment %q", c.Name, c.Env)
		}
	}
}

func TestExtraArgumentsComeLast(t *testing.T) {
	c := controlPlane()
	c.APIServerArgs = []string{"--profiling=true"}
	args := c.apiServer().Args
	if got := args[len(args)-1]; got != "--profiling=true" {
		t.Errorf("the last argument is %q, want the one that was given", got)
	}
}

func TestFiles(t *testing.T) {
	files, err := withNode().Files()
	if err != nil {
		t.Fatal(err)
	}
	for path, data := range files {
		switch filepath.Ext(path) {
		case ".yaml", ".conflist":
			if !json.Valid(data) {
				t.Errorf("%s is not JSON:\n%s", path, data)
			}
		}
	}
	for file, wants := range map[string][]string{
		"containerd.toml":     {`BinaryName = "/c/tools/runc"`, `bin_dirs = ["/c/cni"]`, `sandbox = "` + PauseImage + `"`, `snapshotter = "overlayfs"`},
		"kubelet.yaml":        {`"failCgroupV1": false`, `"clusterDNS": [`, plan.DNSService},
		"kube-proxy.yaml":     {`"mode": "nftables"`, `"maxPerCore": 0`},
		"cni/10-pod.conflist": {`"subnet": "10.213.3.128/25"`},
		"Corefile":            {"bind 10.213.3.2", "kubeconfig /state/demo/config/coredns.kubeconfig"},
	} {
		data := string(files[filepath.Join("/state/demo/config", file)])
		for _, want := range wants {
			if !strings.Contains(data, want) {
				t.Errorf("%s lacks %s:\n%s", file, want, data)
			}
		}
	}
	if files, err := controlPlane().Files(); len(files) != 0 || err != nil {
		t.Errorf("a control plane has the files %v (%v), want none", files, err)
	}
}

// Whoever has a kubeconfig has a certificate to put in it, and the rights of a
// node go with its name.
func TestCertificates(t *testing.T) {
	for _, c := range []Cluster{controlPlane(), withNode()} {
		for _, user := range c.Users() {
			i := slices.IndexFunc(c.Certificates(), func(l pki.Leaf) bool { return l.Name == user })
			if i < 0 || !slices.Contains(c.Certificates()[i].Usages, x509.ExtKeyUsageClientAuth) {
				t.Errorf("user %q has no client certificate", user)
			}
		}
	}
	for _, l := range withNode().Certificates() {
		if l.Name == Kubelet && (l.CommonName != "system:node:demo-node" || !slices.Equal(l.Organization, []string{"system:nodes"})) {
			t.Errorf("the kubelet is %q of %q", l.CommonName, l.Organization)
		}
	}
}

func TestObjectsPointAtTheNode(t *testing.T) {
	data, err := json.Marshal(withNode().Objects())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"addresses":["10.213.3.2"]`, `"clusterIP":"` + plan.DNSService + `"`} {
		if !strings.Contains(string(data), want) {
			t.Errorf("objects lack %s: %s", want, data)
		}
	}
	if got := controlPlane().Objects(); got != nil {
		t.Errorf("a control plane has the objects %v, want none", got)
	}
}
