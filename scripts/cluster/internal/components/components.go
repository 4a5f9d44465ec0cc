// Package components says which processes a cluster consists of, and renders
// the files they are configured by.
package components

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/parts"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/plan"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/supervisor"
)

// Names of the components.
const (
	Etcd              = "etcd"
	APIServer         = "kube-apiserver"
	ControllerManager = "kube-controller-manager"
	Scheduler         = "kube-scheduler"
	Containerd        = "containerd"
	Kubelet           = "kubelet"
	Proxy             = "kube-proxy"
	CoreDNS           = "coredns"
)

// Paths of the sockets and programs inside a cluster that has a node.
const (
	ContainerdSocket = "/run/containerd/containerd.sock"
	PauseImage       = "embedded-cluster.local/pause:1"
)

// Programs are the folders of what was built, and the tools.
type Programs struct {
	Kubernetes string // the multi-call executable
	Containerd string // a folder, like the next ones
	CNI        string
	CoreDNS    string
	Pause      string
	Runc       string // a file
	Tools      parts.Tools
}

// Cluster is what the components are derived from.
type Cluster struct {
	Dir           string
	Node          bool
	NodeName      string
	Plan          plan.Plan
	Programs      Programs
	Snapshotter   string
	APIServerArgs []string
}

// Address of the components as seen from the machine, and from one another.
func (c Cluster) Address() string {
	if c.Node {
		return c.Plan.Node.String()
	}
	return "127.0.0.1"
}

// Server is the URL of the API server as seen from the machine.
func (c Cluster) Server() string {
	return fmt.Sprintf("https://%s:%d", c.Address(), c.Plan.Ports.APIServer)
}

// PKI is the folder of certificates and keys.
func (c Cluster) PKI() string { return filepath.Join(c.Dir, "pki") }

// Kubeconfig is the file that user's kubeconfig is in.
func (c Cluster) Kubeconfig(user string) string {
	return filepath.Join(c.Dir, "config", user+".kubeconfig")
}

// Log is the file that component writes to.
func (c Cluster) Log(component string) string { return filepath.Join(c.Dir, "logs", component+".log") }

func (c Cluster) config(file string) string { return filepath.Join(c.Dir, "config", file) }
func (c Cluster) cert(name string) string   { return filepath.Join(c.PKI(), name+".crt") }
func (c Cluster) key(name string) string    { return filepath.Join(c.PKI(), name+".key") }

// The API server must be gone before etcd is: without etcd it lingers on its
// port for minutes. Everything that asks the API server goes before it, to
// leave it no open watches to wait for.
const (
	stopClients = iota
	stopAPIServer
	stopStores
)

// List lists the components in the order in which to start them.
func (c Cluster) List() []supervisor.Component {
	list := []supervisor.Component{c.etcd(), c.apiServer(), c.controllerManager(), c.scheduler()}
	if c.Node {
		list = append(list, c.containerd(), c.kubelet(), c.proxy(), c.coreDNS())
	}
	return list
}

// component fills in what most have in common.
func (c Cluster) component(name, path string, args ...string) supervisor.Component {
	return supervisor.Component{
		Name: name, Path: path, Args: append([]string{name}, args...),
		Env: c.env(), Log: c.Log(name), HostNetwork: !c.Node,
		Stop: stopClients, Patience: 2 * time.Second,
	}
}

// env leaves out what the launcher's own environment holds, proxies above all:
// nothing in a cluster is to be reached through them.
func (c Cluster) env() []string {
	path := append(c.Programs.Tools.Path[:len(c.Programs.Tools.Path):len(c.Programs.Tools.Path)],
		"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
	if c.Programs.Containerd != "" {
		path = append([]string{c.Programs.Containerd}, path...)
	}
	env := []string{"HOME=/root", "PATH=" + strings.Join(path, ":")}
	if l := c.Programs.Tools.Libraries; l != "" {
		env = append(env, "LD_LIBRARY_PATH="+l)
	}
	return env
}

func (c Cluster) etcd() supervisor.Component {
	client := fmt.Sprintf("https://127.0.0.1:%d", c.Plan.Ports.EtcdClient)
	peer := fmt.Sprintf("https://127.0.0.1:%d", c.Plan.Ports.EtcdPeer)
	e := c.component(Etcd, c.Programs.Kubernetes,
		"--data-dir="+filepath.Join(c.Dir, "etcd"),
		"--listen-client-urls="+client, "--advertise-client-urls="+client,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=default="+peer,
		"--trusted-ca-file="+c.cert("etcd-ca"), "--cert-file="+c.cert(Etcd), "--key-file="+c.key(Etcd), "--client-cert-auth",
		"--peer-trusted-ca-file="+c.cert("etcd-ca"), "--peer-cert-file="+c.cert(Etcd), "--peer-key-file="+c.key(Etcd), "--peer-client-cert-auth",
		"--log-level=warn", "--log-outputs=stderr",
		// The data does not outlive the cluster, let alone a power failure.
		"--unsafe-no-fsync")
	e.Stop = stopStores
	e.Health = c.Server() + "/readyz/etcd"
	return e
}

func (c Cluster) apiServer() supervisor.Component {
	bind, advertise := "127.0.0.1", c.Plan.Host.String() // the API refuses to advertise 127.0.0.1
	if c.Node {
		bind, advertise = "0.0.0.0", c.Plan.Node.String()
	}
	a := c.component(APIServer, c.Programs.Kubernetes,
		fmt.Sprintf("--etcd-servers=https://127.0.0.1:%d", c.Plan.Ports.EtcdClient),
		"--etcd-cafile="+c.cert("etcd-ca"), "--etcd-certfile="+c.cert(Etcd), "--etcd-keyfile="+c.key(Etcd),
		"--bind-address="+bind, fmt.Sprintf("--secure-port=%d", c.Plan.Ports.APIServer), "--advertise-address="+advertise,
		"--tls-cert-file="+c.cert("apiserver"), "--tls-private-key-file="+c.key("apiserver"),
		"--client-ca-file="+c.cert("ca"),
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
		"--service-cluster-ip-range="+plan.ServiceCIDR,
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file="+filepath.Join(c.PKI(), "sa.pub"), "--service-account-signing-key-file="+c.key("sa"),
		"--kubelet-certificate-authority="+c.cert("ca"),
		"--kubelet-client-certificate="+c.cert("apiserver-kubelet"), "--kubelet-client-key="+c.key("apiserver-kubelet"),
		"--kubelet-preferred-address-types=InternalIP",
		"--requestheader-client-ca-file="+c.cert("front-proxy-ca"), "--requestheader-allowed-names=front-proxy",
		"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file="+c.cert("front-proxy"), "--proxy-client-key-file="+c.key("front-proxy"),
		// Webhooks behind a Service are called at their endpoints: a control
		// plane alone has no Service addresses.
		"--enable-aggregator-routing=true",
		// Without it, open watches keep a server that was told to stop for a
		// minute.
		"--shutdown-watch-termination-grace-period=1s",
		"--allow-privileged=true", "--profiling=false")
	a.Args = append(a.Args, c.APIServerArgs...)
	a.Stop, a.Patience = stopAPIServer, 5*time.Second
	a.Health = c.Server() + "/readyz"
	return a
}

// client are the arguments of a component that asks the API server, and that
// answers on port itself.
func (c Cluster) client(name string, port int) []string {
	k := c.Kubeconfig(name)
	return []string{
		"--kubeconfig=" + k, "--authentication-kubeconfig=" + k, "--authorization-kubeconfig=" + k,
		"--bind-address=" + c.Address(), fmt.Sprintf("--secure-port=%d", port),
		"--tls-cert-file=" + c.cert("component"), "--tls-private-key-file=" + c.key("component"),
		"--leader-elect=false", "--profiling=false",
		// The defaults spare an API server with many clients.
		"--kube-api-qps=200", "--kube-api-burst=400",
	}
}

func (c Cluster) controllerManager() supervisor.Component {
	m := c.component(ControllerManager, c.Programs.Kubernetes, append(c.client(ControllerManager, c.Plan.Ports.ControllerManager),
		"--use-service-account-credentials=true",
		"--root-ca-file="+c.cert("ca"), "--service-account-private-key-file="+c.key("sa"),
		"--cluster-signing-cert-file="+c.cert("ca"), "--cluster-signing-key-file="+c.key("ca"),
		"--flex-volume-plugin-dir="+filepath.Join(c.Dir, "volume-plugins"), // the default is outside the cluster's folder
		"--service-cluster-ip-range="+plan.ServiceCIDR)...)
	if c.Node {
		m.Args = append(m.Args, "--allocate-node-cidrs=true", "--cluster-cidr="+c.Plan.Pods.String(),
			fmt.Sprintf("--node-cidr-mask-size-ipv4=%d", c.Plan.Pods.Bits()))
	}
	m.Health = fmt.Sprintf("https://%s:%d/healthz", c.Address(), c.Plan.Ports.ControllerManager)
	return m
}

func (c Cluster) scheduler() supervisor.Component {
	s := c.component(Scheduler, c.Programs.Kubernetes, c.client(Scheduler, c.Plan.Ports.Scheduler)...)
	s.Health = fmt.Sprintf("https://%s:%d/healthz", c.Address(), c.Plan.Ports.Scheduler)
	return s
}

func (c Cluster) containerd() supervisor.Component {
	d := c.component(Containerd, filepath.Join(c.Programs.Containerd, "containerd"), "--config="+c.config("containerd.toml"))
	d.Stop = stopStores
	d.Health = "unix://" + ContainerdSocket
	return d
}

func (c Cluster) kubelet() supervisor.Component {
	k := c.component(Kubelet, c.Programs.Kubernetes,
		"--config="+c.config("kubelet.yaml"), "--kubeconfig="+c.Kubeconfig(Kubelet),
		"--hostname-override="+c.NodeName, "--node-ip="+c.Plan.Node.String())
	k.Health = fmt.Sprintf("http://%s:%d/healthz", c.Plan.Node, kubeletHealthPort)
	return k
}

func (c Cluster) proxy() supervisor.Component {
	p := c.component(Proxy, c.Programs.Kubernetes, "--config="+c.config("kube-proxy.yaml"))
	p.Health = fmt.Sprintf("http://%s:%d/healthz", c.Plan.Node, proxyHealthPort)
	return p
}

func (c Cluster) coreDNS() supervisor.Component {
	d := c.component(CoreDNS, filepath.Join(c.Programs.CoreDNS, "coredns"), "-conf", c.config("Corefile"))
	d.Health = fmt.Sprintf("http://%s:%d/ready", c.Plan.Node, dnsReadyPort)
	return d
}
