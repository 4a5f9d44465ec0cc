package cli

import (
	"net/netip"
	"strings"
)

// proxyFor names the variable because of which programs would look for address
// through a proxy. They never do so for 127.0.0.1.
func proxyFor(address string, env environment) string {
	for _, except := range []string{"NO_PROXY", "no_proxy"} {
		for e := range strings.SplitSeq(env.get(except), ",") {
			network, err := netip.ParsePrefix(strings.TrimSpace(e))
			ip, ipErr := netip.ParseAddr(address)
			if e = strings.TrimSpace(e); e == "*" || e == address || err == nil && ipErr == nil && network.Contains(ip) {
				return ""
			}
		}
	}
	for _, name := range []string{"HTTPS_PROXY", "https_proxy"} {
		if address != "" && env.get(name) != "" {
			return name
		}
	}
	return ""
}
