package config

import (
	"strings"
	"testing"
	"time"
)

// What a template of the classic dialect sees of a mesh that says nothing: the
// durations that the reference's proxies start with.
func TestDurationsOfAClassicMeshThatSaysNothing(t *testing.T) {
	m := mustParse(t, "policy: enabled\ntemplate: x\n", "", "").ClassicMesh
	for what, tc := range map[string]struct {
		got  *Duration
		want time.Duration
	}{
		"drainDuration":          {m.DefaultConfig.DrainDuration, 45 * time.Second},
		"parentShutdownDuration": {m.DefaultConfig.ParentShutdownDuration, time.Minute},
		"proxy's connectTimeout": {m.DefaultConfig.ConnectTimeout, time.Second},
		"connectTimeout":         {m.ConnectTimeout, time.Second},
		"dnsRefreshRate":         {m.DnsRefreshRate, 5 * time.Second},
	} {
		if got := tc.got.AsDuration(); got != tc.want {
			t.Errorf("%s: got %s, want %s", what, got, tc.want)
		}
	}
}

func TestNamesOfDialects(t *testing.T) {
	if got := Current.String() + ", " + Classic.String(); got != "current, classic" {
		t.Errorf("got %s", got)
	}
}

// A wrong key gets a suggestion when it is at most two letters away.
func TestKeysThatAreTakenForMistakes(t *testing.T) {
	long := strings.Repeat("l", 64)
	for _, tc := range []struct {
		a, b string
		want bool
	}{
		{"templates", "templates", true},
		{"Templates", "templateS", true},
		{"templatesxy", "templates", true},
		{"templat", "templates", true},
		{"tempaltes", "templates", true},
		{"templatesxyz", "templates", false},
		{"templa", "templates", false},
		{"temqqqtes", "templates", false},
		{long, long[1:], true},
		{long + "l", long, false}, // longer than any key: not compared
	} {
		if got := similar(tc.a, tc.b); got != tc.want {
			t.Errorf("%q and %q: similar %v, want %v", tc.a, tc.b, got, tc.want)
		}
	}
}
