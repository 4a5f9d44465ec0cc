package components

import (
	"crypto/x509"
	"net"

	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/pki"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/plan"
)

// Admin is the user whose kubeconfig is for people and tests.
const Admin = "admin"

// Users lists who has a kubeconfig.
func (c Cluster) Users() []string {
	users := []string{Admin, ControllerManager, Scheduler}
	if c.Node {
		users = append(users, Kubelet, Proxy, CoreDNS)
	}
	return users
}

// Certificates lists what the components prove who they are with.
func (c Cluster) Certificates() []pki.Leaf {
	client, server := x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth
	loopback, node := net.IPv4(127, 0, 0, 1), net.IP(c.Plan.Node.AsSlice())
	leaf := func(authority, name, commonName string, usages ...x509.ExtKeyUsage) pki.Leaf {
		return pki.Leaf{Authority: authority, Name: name, CommonName: commonName, Usages: usages}
	}
	user := func(name, commonName string, organization ...string) pki.Leaf {
		l := leaf(pki.Cluster, name, commonName, client)
		l.Organization = organization
		return l
	}
	etcd := leaf(pki.Etcd, Etcd, Etcd, server, client)
	etcd.Addresses = []net.IP{loopback}
	api := leaf(pki.Cluster, "apiserver", APIServer, server)
	api.DNSNames = []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}
	api.Addresses = []net.IP{loopback, node, net.ParseIP(plan.APIService)}
	component := leaf(pki.Cluster, "component", "component", server)
	component.Addresses = []net.IP{loopback, node}

	leaves := []pki.Leaf{
		etcd, api, component,
		leaf(pki.FrontProxy, "front-proxy", "front-proxy", client),
		user("apiserver-kubelet", "apiserver-kubelet", "system:masters"),
		user(Admin, Admin, "system:masters"),
		user(ControllerManager, "system:kube-controller-manager"),
		user(Scheduler, "system:kube-scheduler"),
	}
	if !c.Node {
		return leaves
	}
	kubelet := user(Kubelet, "system:node:"+c.NodeName, "system:nodes")
	kubelet.Usages = append(kubelet.Usages, server)
	kubelet.DNSNames = []string{c.NodeName}
	kubelet.Addresses = []net.IP{node}
	return append(leaves, kubelet, user(Proxy, "system:kube-proxy"), user(CoreDNS, dnsUser))
}
