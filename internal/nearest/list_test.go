package nearest_test

import (
	"strings"
	"testing"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/nearest"
)

func TestList(t *testing.T) {
	long := strings.Repeat("long", 20)
	for want, got := range map[string]string{
		"hub, hostname and 3 more":     nearest.List("hubb", []string{"tag", "proxy", "hub", "x", "hostname"}, 2),
		"proxyInit, proxy, a, " + long: nearest.List("proxyinit", []string{long, "a", "proxy", "proxyInit"}, 3),
		"a, b":                         nearest.List(long, []string{"b", "a"}, 5),
		"":                             nearest.List("x", nil, 5),
		"toYaml, toJson, indent":       nearest.List("toYamll", []string{"indent", "toJson", "toYaml"}, 3),
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
