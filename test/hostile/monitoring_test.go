//go:build integration && linux

package hostile

import (
	"context"
	"net"
	"time"
)

// monitoringCases attack the port that kubelets and scrapers use.
func monitoringCases() []hostileCase {
	return []hostileCase{
		monitored("64 connections to the monitoring port", 64, ""),
		monitored("1,000 connections to the monitoring port", 1000, ""),
		monitored("unfinished headers on the monitoring port", 200, "GET /metrics HTTP/1.1\r\nHost: x\r\nX-Long: "),
		monitored("unfinished bodies on the monitoring port", 200, "GET /readyz HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"),
		{
			name:  "scrapes without a pause",
			does:  "32 clients read /metrics, /debug/config and /readyz on new connections",
			right: "answered, or refused; probes are answered in time",
			run: func(a *attack) {
				pages := []string{"/metrics", "/debug/config", "/readyz", "/version"}
				a.clients(32, func(ctx context.Context, client int) {
					_, _ = a.server.page(ctx, a.peer, pages[client%len(pages)])
				})
			},
		},
	}
}

// monitored opens connections to the monitoring port and holds them.
func monitored(name string, n int, first string) hostileCase {
	return hostileCase{
		name: name,
		does: "opens them from one address, sends nothing or the beginning of a request, and holds them",
		// 2 s are several probes.
		right: "the kubelet's probes are answered within their second all the time",
		run: func(a *attack) {
			open, refused := a.many(n, 64, func(ctx context.Context) (net.Conn, error) {
				conn, err := from(a.peer)(ctx, "tcp", "127.0.0.1:"+a.server.monitoring)
				if err == nil {
					_, err = conn.Write([]byte(first))
				}
				return conn, err
			})
			defer closeAll(open)
			a.notef("%d open, %d refused", len(open), refused)
			a.hold(a.lasts + time.Second)
		},
	}
}
