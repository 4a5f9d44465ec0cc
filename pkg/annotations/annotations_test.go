package annotations

import (
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	for _, tc := range []struct{ name, value, want string }{
		{InterceptionMode, "TPROXY", ""},
		{InterceptionMode, "NONE", ""},
		{InterceptionMode, "redirect", "must be REDIRECT, TPROXY or NONE"},
		{StatusPort, "0", ""},
		{StatusPort, "65536", "must be a port from 0 to 65535"},
		{"readiness.status.sidecar.istio.io/periodSeconds", "30", ""},
		{"readiness.status.sidecar.istio.io/initialDelaySeconds", "-1", "must be a whole number"},
		{"readiness.status.sidecar.istio.io/failureThreshold", "4294967296", "must be a whole number"},
		{"traffic.sidecar.istio.io/includeOutboundIPRanges", "*", ""},
		{"traffic.sidecar.istio.io/includeOutboundIPRanges", "", ""},
		{"traffic.sidecar.istio.io/includeOutboundIPRanges", "10.0.0.1/8,fd00::/8", ""},
		{"traffic.sidecar.istio.io/includeOutboundIPRanges", "10.0.0.1", `"10.0.0.1" is not an IP range`},
		{"traffic.sidecar.istio.io/excludeOutboundIPRanges", "*", `"*" is not an IP range`},
		{"traffic.sidecar.istio.io/includeInboundPorts", "*", ""},
		{"traffic.sidecar.istio.io/includeInboundPorts", "bad", `"bad" is not a port, must be a comma separated list of numbers from 0 to 65535, or *`},
		{"traffic.sidecar.istio.io/excludeInboundPorts", "1, 2", ""},
		{"traffic.sidecar.istio.io/excludeInboundPorts", "*", `"*" is not a port`},
		{"traffic.sidecar.istio.io/includeOutboundPorts", "1,,2", `"" is not a port`},
		{"traffic.sidecar.istio.io/excludeOutboundPorts", "", ""},
		{"traffic.sidecar.istio.io/kubevirtInterfaces", "net1,net2", ""},
		{"traffic.sidecar.istio.io/kubevirtInterfaces", "", ""},
		{"traffic.sidecar.istio.io/excludeInterfaces", "eth0,k6t+", ""},
		{"traffic.sidecar.istio.io/excludeInterfaces", "eth0; reboot", "is not a network interface"},
		{"istio.io/reroute-virtual-interfaces", "azAZ09_.:@-eth0+", ""},
		{"istio.io/reroute-virtual-interfaces", "azAZ09_.:@-eth01+", "is not a network interface"},
		{"istio.io/reroute-virtual-interfaces", "ethé", "is not a network interface"},
		{"istio.io/reroute-virtual-interfaces", "a,,b", `"" is not a network interface`},
		{"istio.io/reroute-virtual-interfaces", "averyveryverylongname", "is not a network interface"},
		{MergeMetrics, "true", ""},
		{MergeMetrics, "yes", "must be true or false"},
		{"sidecar.istio.io/proxyCPU", "100m", ""},
		{"sidecar.istio.io/proxyMemory", "much", "must be a quantity"},
		{"sidecar.istio.io/proxyCPU", "\t1", "must not hold control characters"},
		{"sidecar.istio.io/proxyCPULimit", "1\n", "must not hold control characters"},
		{"sidecar.istio.io/proxyMemoryLimit", "-1Gi", "must be a quantity"},
		{"example.com/other", "\x00", ""},
	} {
		err := Check(map[string]string{tc.name: tc.value})
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "annotation "+tc.name+": invalid value ")) {
			t.Errorf("%s=%q: got %v, want %s", tc.name, tc.value, err, tc.want)
		}
	}
	err := Check(map[string]string{StatusPort: "x", MergeMetrics: "x", "a": "b"})
	if n := strings.Count(err.Error(), "invalid value"); n != 2 || !strings.HasPrefix(err.Error(), "annotation "+MergeMetrics) {
		t.Errorf("two errors in their order: %v", err)
	}
}
