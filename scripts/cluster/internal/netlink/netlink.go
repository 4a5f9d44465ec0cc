// Package netlink sets up network devices in the calling thread's network
// namespace. It speaks to the kernel itself, so that no ip program is needed.
package netlink

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// AddVeth makes a veth pair: device here, peer in the network namespace of
// process pid. It fails with unix.EEXIST where device is there already, which
// makes a device name a claim that only one process can win.
func AddVeth(device, peer string, pid int) error {
	end := linkBody(0, 0, 0)
	end = appendAttr(end, unix.IFLA_IFNAME, cstring(peer))
	end = appendAttr(end, unix.IFLA_NET_NS_PID, u32(uint32(pid)))

	const vethInfoPeer = 1 // VETH_INFO_PEER of linux/veth.h
	info := appendAttr(nil, unix.IFLA_INFO_KIND, []byte("veth"))
	info = appendAttr(info, unix.IFLA_INFO_DATA, appendAttr(nil, vethInfoPeer, end))

	m := message{kind: unix.RTM_NEWLINK, flags: unix.NLM_F_CREATE | unix.NLM_F_EXCL, body: linkBody(0, 0, 0)}
	m.attr(unix.IFLA_IFNAME, cstring(device))
	m.attr(unix.IFLA_LINKINFO, info)
	return named("add veth pair", device, request(m))
}

// Delete removes device; for one end of a veth pair, both. A device that is
// not there is no error.
func Delete(device string) error {
	link, err := net.InterfaceByName(device)
	if err != nil {
		return nil
	}
	err = request(message{kind: unix.RTM_DELLINK, body: linkBody(link.Index, 0, 0)})
	if errors.Is(err, unix.ENODEV) {
		return nil
	}
	return named("delete device", device, err)
}

// Up switches device on.
func Up(device string) error {
	link, err := net.InterfaceByName(device)
	if err != nil {
		return named("find device", device, err)
	}
	return named("switch on device", device, request(message{kind: unix.RTM_NEWLINK, body: linkBody(link.Index, unix.IFF_UP, unix.IFF_UP)}))
}

// AddAddress gives device an IPv4 address and the length of its network.
func AddAddress(device string, address netip.Prefix) error {
	link, err := net.InterfaceByName(device)
	if err != nil {
		return named("find device", device, err)
	}
	ip := address.Addr().As4()
	body := []byte{unix.AF_INET, byte(address.Bits()), 0, unix.RT_SCOPE_UNIVERSE}
	body = binary.NativeEndian.AppendUint32(body, uint32(link.Index))
	m := message{kind: unix.RTM_NEWADDR, flags: unix.NLM_F_CREATE | unix.NLM_F_EXCL, body: body}
	m.attr(unix.IFA_LOCAL, ip[:])
	m.attr(unix.IFA_ADDRESS, ip[:])
	return named("add address "+address.String()+" to", device, request(m))
}

// AddRoute sends traffic for an IPv4 network, 0.0.0.0/0 being all that has no
// other route, to the neighbour via.
func AddRoute(to netip.Prefix, via netip.Addr) error {
	body := []byte{unix.AF_INET, byte(to.Bits()), 0, 0, unix.RT_TABLE_MAIN, unix.RTPROT_STATIC, unix.RT_SCOPE_UNIVERSE, unix.RTN_UNICAST}
	body = binary.NativeEndian.AppendUint32(body, 0) // flags
	m := message{kind: unix.RTM_NEWROUTE, flags: unix.NLM_F_CREATE | unix.NLM_F_EXCL, body: body}
	gateway := via.As4()
	m.attr(unix.RTA_GATEWAY, gateway[:])
	if to.Bits() > 0 {
		network := to.Masked().Addr().As4()
		m.attr(unix.RTA_DST, network[:])
	}
	return named("add route to", to.String(), request(m))
}

func named(what, name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("cannot %s %s: %w", what, name, err)
}

// request sends m and returns the kernel's verdict on it.
func request(m message) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, m.bytes(1), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	answer := make([]byte, 4096)
	n, _, err := unix.Recvfrom(fd, answer, 0)
	if err != nil {
		return err
	}
	return verdict(answer[:n])
}

// verdict reads a struct nlmsgerr, whose first field is 0 or a negative errno.
func verdict(answer []byte) error {
	if len(answer) < unix.SizeofNlMsghdr+4 {
		return fmt.Errorf("netlink answer of %d bytes is too short", len(answer))
	}
	if kind := binary.NativeEndian.Uint16(answer[4:]); kind != unix.NLMSG_ERROR {
		return fmt.Errorf("netlink answer is of type %d, want an acknowledgement", kind)
	}
	if code := int32(binary.NativeEndian.Uint32(answer[unix.SizeofNlMsghdr:])); code != 0 {
		return unix.Errno(-code)
	}
	return nil
}
