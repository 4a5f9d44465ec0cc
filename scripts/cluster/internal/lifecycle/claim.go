package lifecycle

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/netlink"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/plan"
	"github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/sandbox"
)

// claimSlot finds a free slot and takes it by making its device, which only
// one process can. The other end goes to process pid, with which it ends.
func claimSlot(node bool, pid int) (p plan.Plan, index int, err error) {
	taken, err := networks()
	if err != nil {
		return p, 0, err
	}
	var last error // why the last slot was not free
	for slot := range plan.Slots {
		p = plan.ControlPlaneOnly(slot)
		if node {
			p = plan.WithNode(slot)
		}
		if last = free(p, taken, !node); last != nil {
			continue
		}
		err := netlink.AddVeth(p.Device, sandbox.PeerDevice, pid)
		if errors.Is(err, unix.EEXIST) {
			last = fmt.Errorf("device %s is there already", p.Device)
			continue
		}
		if errors.Is(err, unix.EOPNOTSUPP) {
			return p, 0, fmt.Errorf("the kernel has no veth devices (%w): load or enable the module veth", err)
		}
		if err != nil {
			return p, 0, err
		}
		index, err = connect(p, node)
		return p, index, err
	}
	return p, 0, fmt.Errorf("none of the %d slots for clusters is free, the last one because %w: take a cluster down first", plan.Slots, last)
}

// free says what stands in the way of p. Ports matter only where a cluster
// shares them with the machine.
func free(p plan.Plan, taken []netip.Prefix, ports bool) error {
	if other, ok := p.Conflict(taken); ok {
		return fmt.Errorf("network %s is in use", other)
	}
	if !ports {
		return nil
	}
	for port, user := range p.Ports.All() {
		l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return fmt.Errorf("port %d for %s is taken", port, user)
		}
		l.Close()
	}
	return nil
}

// networks lists the networks of the machine's devices.
func networks() ([]netip.Prefix, error) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("cannot list the machine's addresses: %w", err)
	}
	var all []netip.Prefix
	for _, a := range addresses {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			all = append(all, p.Masked())
		}
	}
	return all, nil
}

// connect sets up the machine's end of the link.
func connect(p plan.Plan, node bool) (index int, err error) {
	device, err := net.InterfaceByName(p.Device)
	if err != nil {
		return 0, err
	}
	if err := netlink.AddAddress(p.Device, netip.PrefixFrom(p.Host, p.Link.Bits())); err != nil {
		return 0, err
	}
	if err := netlink.Up(p.Device); err != nil {
		return 0, err
	}
	if node {
		return device.Index, netlink.AddRoute(p.Pods, p.Node)
	}
	return device.Index, nil
}
