package config

import (
	"strings"
	"testing"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/nearest"
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
		{"xxtemplate", "templates", false}, // two more at the front, one less at the end
		{long, long[1:], true},
		{long + "l", long, false}, // longer than any key: not compared
	} {
		if got := nearest.Of(tc.a, []string{tc.b}) == tc.b; got != tc.want {
			t.Errorf("%q and %q: similar %v, want %v", tc.a, tc.b, got, tc.want)
		}
	}
}

func TestDurationsOfAMeshThatSaysNothing(t *testing.T) {
	m := mustParse(t, minimal, "", "").Mesh
	for what, tc := range map[string]struct{ got, want time.Duration }{
		"connectTimeout":           {m.ConnectTimeout.AsDuration(), 10 * time.Second},
		"dnsRefreshRate":           {m.DnsRefreshRate.AsDuration(), time.Minute},
		"drainDuration":            {m.DefaultConfig.DrainDuration.AsDuration(), 45 * time.Second},
		"terminationDrainDuration": {m.DefaultConfig.TerminationDrainDuration.AsDuration(), 5 * time.Second},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: got %s, want %s", what, tc.got, tc.want)
		}
	}
}

func TestTheFirstDefaultProviderIsReplacedByOneOfItsName(t *testing.T) {
	m := mustParse(t, minimal, "extensionProviders:\n- name: prometheus\n  envoyFileAccessLog: {path: /dev/stderr}\n", "").Mesh
	if len(m.ExtensionProviders) != 3 || m.ExtensionProviders[0].GetEnvoyFileAccessLog().GetPath() != "/dev/stderr" {
		t.Errorf("got %v", m.ExtensionProviders)
	}
}

// The first and the last value of each range, and those beside them.
func TestRangesOfValues(t *testing.T) {
	for text, valid := range map[string]bool{
		"proxyListenPort: -1":                         false,
		"proxyListenPort: 0":                          true,
		"proxyListenPort: 65535":                      true,
		"proxyListenPort: 65536":                      false,
		"defaultConfig: {statusPort: -1}":             false,
		"defaultConfig: {statusPort: 0}":              true,
		"defaultConfig: {statusPort: 65535}":          true,
		"defaultConfig: {statusPort: 65536}":          false,
		"defaultConfig: {proxyAdminPort: 0}":          false,
		"defaultConfig: {proxyAdminPort: 1}":          true,
		"defaultConfig: {drainDuration: 0s}":          true,
		"defaultConfig: {drainDuration: -1s}":         false,
		"defaultConfig: {concurrency: 0}":             true,
		"defaultConfig: {concurrency: -1}":            false,
		"defaultConfig: {discoveryAddress: 'a:0'}":    false,
		"defaultConfig: {discoveryAddress: 'a:1'}":    true,
		"defaultConfig: {discoveryAddress: ':1'}":     false,
		"defaultConfig: {discoveryAddress: ''}":       false,
		"defaultConfig: {statsdUdpAddress: ''}":       true,
		"defaultConfig: {statsdUdpAddress: 'a'}":      false,
		"defaultConfig: {statsdUdpAddress: '$(A):1'}": true,
	} {
		if _, err := parse(minimal, text, ""); (err == nil) != valid {
			t.Errorf("%s: got error %v, want valid %v", text, err, valid)
		}
	}
}

func TestALargestFileIsRead(t *testing.T) {
	mustParse(t, minimal+strings.Repeat("#", maxSource-len(minimal)), "", "")
}

func TestTheLineOfWhatIsNotYAML(t *testing.T) {
	_, err := parse("policy: enabled\n\n\tx: y", "", "")
	if want := "config:3:1: not valid YAML: found a tab character that violates indentation: indent with spaces"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
