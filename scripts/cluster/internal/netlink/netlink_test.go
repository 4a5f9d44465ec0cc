package netlink

import (
	"encoding/binary"
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAttributesAreAligned(t *testing.T) {
	b := appendAttr(nil, unix.IFLA_IFNAME, cstring("lo0"))
	b = appendAttr(b, unix.IFLA_MTU, u32(1500))
	if len(b) != 16 {
		t.Fatalf("two attributes take %d bytes, want 8 each", len(b))
	}
	b = appendAttr(nil, unix.IFLA_IFNAME, cstring("ab"))
	if length := binary.NativeEndian.Uint16(b); length != 7 || len(b) != 8 {
		t.Errorf("length is %d in %d bytes, want the 7 that count in 8", length, len(b))
	}
}

func TestMessageHoldsItsLength(t *testing.T) {
	m := message{kind: unix.RTM_NEWLINK, body: linkBody(1, 0, 0)}
	m.attr(unix.IFLA_IFNAME, cstring("x"))
	b := m.bytes(1)
	if got := binary.NativeEndian.Uint32(b); int(got) != len(b) {
		t.Errorf("length field is %d, want %d", got, len(b))
	}
}

func TestVerdict(t *testing.T) {
	answer := func(kind uint16, code int32) []byte {
		b := make([]byte, unix.SizeofNlMsghdr+4)
		binary.NativeEndian.PutUint16(b[4:], kind)
		binary.NativeEndian.PutUint32(b[unix.SizeofNlMsghdr:], uint32(code))
		return b
	}
	if err := verdict(answer(unix.NLMSG_ERROR, 0)); err != nil {
		t.Errorf("acknowledgement: %v", err)
	}
	if err := verdict(answer(unix.NLMSG_ERROR, -int32(unix.EEXIST))); !errors.Is(err, unix.EEXIST) {
		t.Errorf("refusal: %v, want EEXIST", err)
	}
	if err := verdict(answer(unix.NLMSG_DONE, 0)); err == nil {
		t.Error("an answer of another type counts as success")
	}
	if err := verdict(nil); err == nil {
		t.Error("no answer counts as success")
	}
}

func TestMissingDevice(t *testing.T) {
	if err := Up("no-such-device"); err == nil {
		t.Error("switching on a device that is not there succeeds")
	}
	if err := Delete("no-such-device"); err != nil {
		t.Errorf("deleting a device that is not there: %v, want no error", err)
	}
}
