//go:build integration && linux

package hostile

import (
	"time"
)

// forgedCases write what only the injector writes.
func forgedCases() []hostileCase {
	two := `"containers":[{"name":"app","image":"i"},{"name":"second","image":"j"}],"initContainers":[{"name":"setup","image":"k"}],"volumes":[{"name":"data","emptyDir":{}}]`
	forged := []struct{ name, key, value string }{
		{"status that claims the pod's own", "sidecar.istio.io/status", `{"initContainers":["setup"],"containers":["app","second"],"volumes":["data"],"imagePullSecrets":["x"],"revision":"default"}`},
		{"status that claims one container", "sidecar.istio.io/status", `{"containers":["second"]}`},
		{"status that claims a volume", "sidecar.istio.io/status", `{"volumes":["data"]}`},
		{"status that claims the sidecar", "sidecar.istio.io/status", `{"containers":["istio-proxy"],"initContainers":["istio-init","istio-proxy"]}`},
		{"status of another revision", "sidecar.istio.io/status", `{"containers":["app"],"revision":"other"}`},
		{"status with names twice", "sidecar.istio.io/status", `{"containers":["app","app","app"],"initContainers":["app","setup","setup"]}`},
		{"status that is a list", "sidecar.istio.io/status", `["app"]`},
		{"status that is null", "sidecar.istio.io/status", `null`},
		{"status that is text", "sidecar.istio.io/status", `injected`},
		{"status that is empty", "sidecar.istio.io/status", ``},
		{"status with wrong types", "sidecar.istio.io/status", `{"containers":{"app":1},"volumes":7}`},
		{"overrides of the pod's own", "proxy.istio.io/overrides", `{"containers":[{"name":"app","image":"evil","securityContext":{"privileged":true}}]}`},
		{"overrides that add a container", "proxy.istio.io/overrides", `{"containers":[{"name":"evil","image":"evil"}],"initContainers":[{"name":"evil"}]}`},
		{"overrides of the sidecar", "proxy.istio.io/overrides", `{"containers":[{"name":"istio-proxy","command":["evil"],"securityContext":{"privileged":true}}]}`},
		{"overrides with wrong types", "proxy.istio.io/overrides", `{"containers":{"name":"istio-proxy"}}`},
		{"overrides that are null", "proxy.istio.io/overrides", `null`},
		{"overrides with names twice", "proxy.istio.io/overrides", `{"containers":[{"name":"istio-proxy"},{"name":"istio-proxy"}],"containers":[]}`},
	}
	return []hostileCase{{
		name: "forged status and overrides", does: "writes the annotations of an earlier injection, which there was not",
		right: "refused, or injected: nobody's container or volume is lost, and the sidecar is there once",
		run: func(a *attack) {
			by := a.server.newCaller(a.peer, false)
			defer by.http.CloseIdleConnections()
			for _, f := range forged {
				for _, more := range [][2]string{{"", ""}, {"sidecar.istio.io/status", `{"containers":["istio-proxy"]}`}} {
					pairs := []string{f.key, f.value}
					if more[0] != "" && more[0] != f.key {
						pairs = append(pairs, more[0], more[1])
					}
					pod := podOf(two, annotations(pairs...))
					a.judge(f.name, by.send(a.ctx, review(pod), 10*time.Second), either(refused(), refusedWith(403), injected(pod)))
				}
			}
		},
	}}
}
