package netlink

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// message collects one netlink request: a fixed part, then attributes, which
// may hold attributes themselves.
type message struct {
	kind  uint16
	flags uint16
	body  []byte
}

// attr appends an attribute.
func (m *message) attr(kind uint16, value []byte) { m.body = appendAttr(m.body, kind, value) }

func appendAttr(to []byte, kind uint16, value []byte) []byte {
	to = binary.NativeEndian.AppendUint16(to, uint16(unix.SizeofRtAttr+len(value)))
	to = binary.NativeEndian.AppendUint16(to, kind)
	return pad(append(to, value...))
}

// pad fills up to the 4 bytes that netlink aligns to.
func pad(b []byte) []byte {
	for len(b)%unix.NLMSG_ALIGNTO != 0 {
		b = append(b, 0)
	}
	return b
}

// bytes is the request as it goes to the kernel.
func (m *message) bytes(sequence uint32) []byte {
	var b []byte
	b = binary.NativeEndian.AppendUint32(b, uint32(unix.SizeofNlMsghdr+len(m.body)))
	b = binary.NativeEndian.AppendUint16(b, m.kind)
	b = binary.NativeEndian.AppendUint16(b, unix.NLM_F_REQUEST|unix.NLM_F_ACK|m.flags)
	b = binary.NativeEndian.AppendUint32(b, sequence)
	b = binary.NativeEndian.AppendUint32(b, 0) // to the kernel
	return append(b, m.body...)
}

func u32(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }

func cstring(s string) []byte { return append([]byte(s), 0) }

// linkBody is a struct ifinfomsg.
func linkBody(index int, flags, change uint32) []byte {
	b := []byte{unix.AF_UNSPEC, 0, 0, 0}
	b = binary.NativeEndian.AppendUint32(b, uint32(index))
	b = binary.NativeEndian.AppendUint32(b, flags)
	return binary.NativeEndian.AppendUint32(b, change)
}
