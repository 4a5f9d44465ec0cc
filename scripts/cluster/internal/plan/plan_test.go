package plan

import (
	"net/netip"
	"testing"
)

func TestSlotsShareNothing(t *testing.T) {
	ports := map[int]int{}
	var links, pods []netip.Prefix
	for slot := range Slots {
		p := ControlPlaneOnly(slot)
		if len(p.Device) > 15 {
			t.Errorf("slot %d: device name %q is longer than 15 characters", slot, p.Device)
		}
		if got := len(p.Ports.All()); got != 5 {
			t.Errorf("slot %d: %d distinct ports, want 5", slot, got)
		}
		for port := range p.Ports.All() {
			if other, ok := ports[port]; ok {
				t.Errorf("slots %d and %d share port %d", other, slot, port)
			}
			if port >= 32768 {
				t.Errorf("slot %d: port %d is in the range for outgoing connections", slot, port)
			}
			ports[port] = slot
		}
		if at, ok := p.Conflict(append(links, pods...)); ok {
			t.Errorf("slot %d: shares %s with an earlier slot", slot, at)
		}
		if p.Link.Overlaps(p.Pods) {
			t.Errorf("slot %d: link %s overlaps pods %s", slot, p.Link, p.Pods)
		}
		links, pods = append(links, p.Link), append(pods, p.Pods)
	}
}

func TestLinkHoldsBothEnds(t *testing.T) {
	p := WithNode(7)
	if !p.Link.Contains(p.Host) || !p.Link.Contains(p.Node) {
		t.Errorf("link %s does not hold %s and %s", p.Link, p.Host, p.Node)
	}
}

func TestWithNodeHasTheUsualPorts(t *testing.T) {
	if got := WithNode(3).Ports.APIServer; got != 6443 {
		t.Errorf("API server port is %d, want 6443", got)
	}
}

func TestConflict(t *testing.T) {
	taken := []netip.Prefix{netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("10.213.4.0/24")}
	if _, ok := WithNode(3).Conflict(taken); ok {
		t.Error("slot 3 conflicts, want none")
	}
	at, ok := WithNode(4).Conflict(taken)
	if !ok || at != taken[1] {
		t.Errorf("slot 4 conflicts with %v (%v), want %v", at, ok, taken[1])
	}
}
