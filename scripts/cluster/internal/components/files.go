package components

import (
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/plan"
)

const (
	kubeletHealthPort = 10248
	proxyHealthPort   = 10256
	dnsReadyPort      = 8181
)

// Files returns the configuration files by path. JSON serves where YAML is
// read.
func (c Cluster) Files() (map[string][]byte, error) {
	if !c.Node {
		return nil, nil
	}
	files := map[string][]byte{
		c.config("containerd.toml"): []byte(c.containerdConfig()),
		c.config("Corefile"):        []byte(c.corefile()),
		c.config("resolv.conf"):     nil,
	}
	for path, object := range map[string]any{
		c.config("kubelet.yaml"):        c.kubeletConfig(),
		c.config("kube-proxy.yaml"):     c.proxyConfig(),
		c.config("cni/10-pod.conflist"): c.podNetwork(),
	} {
		data, err := json.MarshalIndent(object, "", "  ")
		if err != nil {
			return nil, err
		}
		files[path] = data
	}
	return files, nil
}

type object = map[string]any

func (c Cluster) containerdConfig() string {
	return fmt.Sprintf(`version = 3
root = "/var/lib/containerd"
state = "/run/containerd"

[grpc]
  address = %q

[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd/opt"

[plugins."io.containerd.cri.v1.images"]
  snapshotter = %q
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = %q

[plugins."io.containerd.cri.v1.runtime"]
  # Containers cannot have a lower OOM score than this process where the right
  # to lower it (CAP_SYS_RESOURCE) is missing.
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = [%q]
    conf_dir = %q
    use_internal_loopback = true
  [plugins."io.containerd.cri.v1.runtime".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
        BinaryName = %q
        SystemdCgroup = false
`, ContainerdSocket, c.Snapshotter, PauseImage, c.Programs.CNI, c.config("cni"), c.Programs.Runc)
}

// podNetwork connects each pod by a veth pair of its own, so that all traffic
// between pods is routed. On a bridge, answers from a pod behind a Service
// would bypass the translation of its address unless br_netfilter is there.
func (c Cluster) podNetwork() object {
	return object{
		"cniVersion": "1.0.0",
		"name":       "pods",
		"plugins": []object{
			{
				"type": "ptp",
				"ipam": object{
					"type":    "host-local",
					"dataDir": "/var/lib/cni/networks",
					"ranges":  [][]object{{{"subnet": c.Plan.Pods.String()}}},
					"routes":  []object{{"dst": "0.0.0.0/0"}},
				},
			},
			{"type": "portmap", "backend": "nftables", "capabilities": object{"portMappings": true}},
		},
	}
}

func (c Cluster) kubeletConfig() object {
	return object{
		"apiVersion":               "kubelet.config.k8s.io/v1beta1",
		"kind":                     "KubeletConfiguration",
		"failCgroupV1":             false,
		"cgroupDriver":             "cgroupfs",
		"containerRuntimeEndpoint": "unix://" + ContainerdSocket,
		"authentication": object{
			"anonymous": object{"enabled": false},
			"webhook":   object{"enabled": true},
			"x509":      object{"clientCAFile": c.cert("ca")},
		},
		"authorization":          object{"mode": "Webhook"},
		"tlsCertFile":            c.cert(Kubelet),
		"tlsPrivateKeyFile":      c.key(Kubelet),
		"healthzBindAddress":     c.Plan.Node.String(),
		"healthzPort":            kubeletHealthPort,
		"clusterDNS":             []string{plan.DNSService},
		"clusterDomain":          "cluster.local",
		"resolvConf":             c.config("resolv.conf"),
		"volumePluginDir":        filepath.Join(c.Dir, "volume-plugins"),
		"failSwapOn":             false,
		"makeIPTablesUtilChains": false,
		// A machine that works on other things too has little to spare.
		"evictionHard": object{
			"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%", "nodefs.inodesFree": "1%",
		},
		// Images were loaded by hand: collected, they could not be pulled again.
		"imageGCHighThresholdPercent": 100,
		// Changed Secrets and ConfigMaps reach their volumes at the next sync
		// of the pod; with the default of a minute, tests would wait for it.
		"syncFrequency":             "5s",
		"nodeStatusUpdateFrequency": "5s",
		"serializeImagePulls":       false,
		"kubeAPIQPS":                200,
		"kubeAPIBurst":              400,
	}
}

func (c Cluster) proxyConfig() object {
	return object{
		"apiVersion":         "kubeproxy.config.k8s.io/v1alpha1",
		"kind":               "KubeProxyConfiguration",
		"mode":               "nftables",
		"hostnameOverride":   c.NodeName,
		"clusterCIDR":        c.Plan.Pods.String(),
		"clientConnection":   object{"kubeconfig": c.Kubeconfig(Proxy)},
		"healthzBindAddress": fmt.Sprintf("%s:%d", c.Plan.Node, proxyHealthPort),
		"metricsBindAddress": "127.0.0.1:10249",
		"nftables":           object{"minSyncPeriod": "50ms", "syncPeriod": "30s"},
		// Zero leaves the kernel's values, which belong to the whole machine.
		"conntrack": object{"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
	}
}

// corefile knows the cluster's names and denies all others: a node without a
// way out has nowhere to ask for them.
func (c Cluster) corefile() string {
	return fmt.Sprintf(`cluster.local:53 in-addr.arpa:53 ip6.arpa:53 {
    bind %[1]s
    errors
    ready %[1]s:%[2]d
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        kubeconfig %[3]s
        pods insecure
        ttl 5
    }
    loadbalance
}
.:53 {
    bind %[1]s
    errors
    template ANY ANY {
        rcode NXDOMAIN
    }
}
`, c.Plan.Node, dnsReadyPort, c.Kubeconfig(CoreDNS))
}
