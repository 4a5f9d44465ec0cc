package annotations

import "testing"

// The first and the last value of what is allowed, and those beside them.
func TestBounds(t *testing.T) {
	const interfaces, memory = "traffic.sidecar.istio.io/excludeInterfaces", "sidecar.istio.io/proxyMemory"
	for _, tc := range []struct {
		name, value string
		allowed     bool
	}{
		{interfaces, "a", true},
		{interfaces, "z", true},
		{interfaces, "A", true},
		{interfaces, "Z", true},
		{interfaces, "0", true},
		{interfaces, "9", true},
		{interfaces, "`", false},
		{interfaces, "{", false},
		{interfaces, "[", false},
		{interfaces, "/", false},
		{interfaces, ";eth0", false},
		{interfaces, "é", false},
		{interfaces, "fifteen-letters+", true},
		{interfaces, "sixteen-letters++", false},
		{memory, "0", true},
		{memory, "-1", false},
		{memory, "\n1", false},
		{StatusPort, "65535", true},
		{StatusPort, "-1", false},
		{"readiness.status.sidecar.istio.io/periodSeconds", "4294967295", true},
	} {
		if err := Check(map[string]string{tc.name: tc.value}); (err == nil) != tc.allowed {
			t.Errorf("%s=%q: got %v, want allowed %v", tc.name, tc.value, err, tc.allowed)
		}
	}
}
