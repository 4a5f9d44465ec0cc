//go:build integration && linux

package hostile

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// podCase sends one pod.
func podCase(name, does, right string, pod func() []byte, expect func(pod []byte) func(answer) error) hostileCase {
	return hostileCase{name: name, does: does, right: right, pod: pod, run: func(a *attack) {
		p := pod()
		a.pods(review(p), expect(p))
	}}
}

func always(expect func(answer) error) func([]byte) func(answer) error {
	return func([]byte) func(answer) error { return expect }
}

const overBound = "refused with code 422 and a sentence that names the bound, within a second; many at once may be rejected"

// numberCases name or repeat things often, or write large numbers.
func numberCases() []hostileCase {
	templates := func(n int, name string) func() []byte {
		return func() []byte {
			return podOf(oneContainer, annotation("inject.istio.io/templates", strings.TrimSuffix(strings.Repeat(name+",", n), ",")))
		}
	}
	quantity := func(key, value string) func() []byte {
		return func() []byte { return podOf(oneContainer, annotation(key, value)) }
	}
	digits := strings.Repeat("9", 700_000)
	cases := []hostileCase{
		podCase("30,000 templates", "names the template sidecar 30,000 times", overBound, templates(30_000, "sidecar"), always(refused("template"))),
		podCase("100,000 templates", "names the template sidecar 100,000 times", overBound, templates(100_000, "sidecar"), always(refused())),
		podCase("20 times the same template", "names the template sidecar 20 times", "refused, or injected once", templates(20, "sidecar"),
			func(pod []byte) func(answer) error { return either(refused(), injected(pod)) }),
		podCase("30,000 templates that are not there", "names 30,000 templates that the configuration does not have", overBound,
			func() []byte {
				return podOf(oneContainer, annotation("inject.istio.io/templates", list(30_000, "t%d")))
			}, always(refused("template"))),
		podCase("many ports and probes", "has 90 containers with 20 ports and three probes each", "injected",
			func() []byte {
				ports := list(20, `{"containerPort":80%d}`)
				probe := `{"httpGet":{"path":"/","port":8080}}`
				return podOf(`"containers":[` + list(90, `{"name":"c%d","image":"i","ports":[`+ports+`],"livenessProbe":`+probe+`,"readinessProbe":`+probe+`,"startupProbe":`+probe+`}`) + `]`)
			}, injected),
	}
	for _, key := range []string{"sidecar.istio.io/proxyCPU", "sidecar.istio.io/proxyMemory", "sidecar.istio.io/proxyCPULimit", "sidecar.istio.io/proxyMemoryLimit"} {
		short := strings.TrimPrefix(key, "sidecar.istio.io/")
		for _, q := range []struct{ name, value string }{{"of 200,000 digits", digits[:200_000]}, {"1e1000000000", "1e1000000000"}, {"with 100,000 decimals", "0." + digits[:100_000]}} {
			cases = append(cases, podCase("quantity "+short+" "+q.name, "sets "+key+" to such a quantity", overBound, quantity(key, q.value), always(refused(short))))
		}
	}
	cases = append(cases,
		podCase("quantity proxyCPU of 700,000 digits", "sets sidecar.istio.io/proxyCPU to such a quantity", overBound, quantity("sidecar.istio.io/proxyCPU", digits), always(refused())),
		podCase("quantities in the pod's own resources", "asks for cpu: 1e1000000000 and memory of 700,000 digits", "refused, or injected, within a second",
			func() []byte {
				return podOf(`"containers":[{"name":"app","image":"i","resources":{"requests":{"cpu":"1e1000000000","memory":"` + digits + `"}}}]`)
			}, func([]byte) func(answer) error {
				return either(refused(), func(got answer) error {
					if !got.allowed() {
						return fmt.Errorf("%s", got)
					}
					return nil
				})
			}),
		podCase("numbers beyond all types", "has JSON numbers such as 1e400000 and of 100,000 digits where the pod has numbers", "refused, or injected, within a second",
			func() []byte {
				return podOf(oneContainer + `,"priority":` + digits[:100_000] + `,"activeDeadlineSeconds":1e400000,"unknown":` + digits[:200_000])
			}, func(pod []byte) func(answer) error { return either(refused(), refusedWith(400)) }),
	)
	for _, key := range []string{
		"traffic.sidecar.istio.io/excludeInboundPorts", "traffic.sidecar.istio.io/includeInboundPorts", "traffic.sidecar.istio.io/excludeOutboundPorts",
		"traffic.sidecar.istio.io/includeOutboundIPRanges", "traffic.sidecar.istio.io/excludeInterfaces",
	} {
		value := list(60_000, "8080")
		if strings.Contains(key, "Ranges") {
			value = list(60_000, "10.0.0.0/8")
		}
		cases = append(cases, podCase("60,000 entries in "+strings.TrimPrefix(key, "traffic.sidecar.istio.io/"), "lists 60,000 values in "+key, "refused, or injected, within a second",
			quantity(key, value), func(pod []byte) func(answer) error { return either(refused(), injected(pod)) }))
	}
	return append(cases, proxyConfigs())
}

// proxyConfigs are many different ones: none may be kept that is large.
func proxyConfigs() hostileCase {
	return hostileCase{
		name:  "256 pods with large proxy configurations",
		does:  "sends 256 different pods with 36 to 119 KiB of proxy.istio.io/config each, eight at a time",
		right: "refused or injected; memory stays under the limit, and nothing of it is kept",
		run: func(a *attack) {
			var bodies [][]byte
			for i := range 256 {
				metadata := list(1000+i*9, fmt.Sprintf("\"K%d_%%d\":\"%s\"", i, strings.Repeat("v", 20)))
				bodies = append(bodies, review(podOf(oneContainer, annotation("proxy.istio.io/config", `{"proxyMetadata":{`+metadata+`}}`))))
			}
			by := a.server.newCaller(a.peer, false)
			defer by.http.CloseIdleConnections()
			ok := 0
			next := make(chan []byte)
			go func() {
				defer close(next)
				for _, b := range bodies {
					next <- b
				}
			}()
			a.each(8, next, func(_ context.Context, body []byte) {
				got := by.send(a.ctx, body, 10*time.Second)
				if got.allowed() {
					a.mu.Lock()
					ok++
					a.mu.Unlock()
					return
				}
				a.judge("one of 256", got, either(refused(), rejected))
			})
			a.notef("%d injected", ok)
		},
	}
}
