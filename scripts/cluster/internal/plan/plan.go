// Package plan derives every address, port and device name of a cluster from
// one small number, its slot, so that two clusters with different slots cannot
// collide.
package plan

import (
	"fmt"
	"net/netip"
	"strconv"
)

// Slots is how many clusters fit on one machine.
const Slots = 32

// ServiceCIDR is the same in every cluster: service addresses exist only
// inside a cluster's own network namespace.
const (
	ServiceCIDR = "10.96.0.0/16"
	APIService  = "10.96.0.1"
	DNSService  = "10.96.0.10"
)

// Ports a cluster listens on.
type Ports struct {
	APIServer         int `json:"apiServer"`
	EtcdClient        int `json:"etcdClient"`
	EtcdPeer          int `json:"etcdPeer"`
	ControllerManager int `json:"controllerManager"`
	Scheduler         int `json:"scheduler"`
}

// All lists the ports with the components that use them.
func (p Ports) All() map[int]string {
	return map[int]string{
		p.APIServer:         "kube-apiserver",
		p.EtcdClient:        "etcd (clients)",
		p.EtcdPeer:          "etcd (peers)",
		p.ControllerManager: "kube-controller-manager",
		p.Scheduler:         "kube-scheduler",
	}
}

// Plan is what one slot comes to. The link is a veth pair: Host is the end on
// the machine, Node the end in the cluster's network namespace.
type Plan struct {
	Slot   int          `json:"slot"`
	Device string       `json:"device"`
	Host   netip.Addr   `json:"host"`
	Node   netip.Addr   `json:"node"`
	Link   netip.Prefix `json:"link"`
	Pods   netip.Prefix `json:"pods"`
	Ports  Ports        `json:"ports"`
}

// Prefix begins the names of all that belongs to clusters. It leaves 8 of the
// 15 characters of a device name.
const Prefix = "embk8s-"

const (
	network = "10.213" // one /24 of it for each slot
	// Below the range from which Linux takes ports for outgoing connections
	// (32768 and up), so that a port found free stays free.
	firstPort = 26440
	portStep  = 10
)

// WithNode is the plan for a cluster in a network namespace of its own, where
// the components have their usual ports.
func WithNode(slot int) Plan {
	p := base(slot)
	p.Ports = Ports{APIServer: 6443, EtcdClient: 2379, EtcdPeer: 2380, ControllerManager: 10257, Scheduler: 10259}
	return p
}

// ControlPlaneOnly is the plan for a control plane in the machine's network
// namespace, where the ports must differ from slot to slot.
func ControlPlaneOnly(slot int) Plan {
	p := base(slot)
	first := firstPort + portStep*slot
	p.Ports = Ports{APIServer: first + 3, EtcdClient: first, EtcdPeer: first + 1, ControllerManager: first + 4, Scheduler: first + 5}
	return p
}

func base(slot int) Plan {
	name := Prefix + strconv.Itoa(slot)
	net := fmt.Sprintf("%s.%d", network, slot)
	return Plan{
		Slot:   slot,
		Device: name,
		Host:   netip.MustParseAddr(net + ".1"),
		Node:   netip.MustParseAddr(net + ".2"),
		Link:   netip.MustParsePrefix(net + ".0/30"),
		Pods:   netip.MustParsePrefix(net + ".128/25"),
	}
}

// Conflict names the network among taken, the networks of the machine's own
// interfaces, that the plan would shadow.
func (p Plan) Conflict(taken []netip.Prefix) (netip.Prefix, bool) {
	for _, t := range taken {
		if t.Overlaps(p.Link) || t.Overlaps(p.Pods) {
			return t, true
		}
	}
	return netip.Prefix{}, false
}
