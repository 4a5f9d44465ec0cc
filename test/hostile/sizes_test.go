//go:build integration && linux

package hostile

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
)

// sizeCases send pods near the largest that a body may hold.
func sizeCases() []hostileCase {
	named := func(n int) string { return `"containers":[` + list(n, `{"name":"c%d","image":"i"}`) + `]` }
	return []hostileCase{
		podCase("100,000 init containers", "has 100,000 init containers", overBound, func() []byte {
			return podOf(oneContainer + `,"initContainers":[` + list(100_000, `{"name":"i%d","image":"i"}`) + `]`)
		}, always(refused("containers"))),
		podCase("30,000 containers with a status that names them", "has 30,000 containers and says that an earlier injection added them", overBound, func() []byte {
			status := `{"containers":[` + list(30_000, `"c%d"`) + `],"initContainers":null}`
			return podOf(named(30_000), annotation("sidecar.istio.io/status", status))
		}, always(refused("containers"))),
		podCase("a status that names 30,000 containers which are not there", "has one container and a status of 300 KiB", overBound, func() []byte {
			status := `{"containers":[` + list(30_000, `"c%d"`) + `],"initContainers":[` + list(30_000, `"i%d"`) + `],"volumes":[` + list(30_000, `"v%d"`) + `]}`
			return podOf(oneContainer, annotation("sidecar.istio.io/status", status))
		}, always(refused())),
		podCase("100,000 containers", "has 100,000 containers", overBound, func() []byte { return podOf(named(100_000)) }, always(refused("containers"))),
		podCase("90,000 volumes", "has 90,000 volumes", overBound, func() []byte {
			return podOf(oneContainer + `,"volumes":[` + list(90_000, `{"name":"v%d","emptyDir":{}}`) + `]`)
		}, always(refused("volumes"))),
		podCase("a proxy configuration of 49,000 keys", "sets proxy.istio.io/config with 49,000 entries of proxyMetadata", overBound, func() []byte {
			return podOf(oneContainer, annotation("proxy.istio.io/config", "proxyMetadata:\n"+strings.ReplaceAll(list(49_000, "  K%d: v"), ",", "\n")))
		}, always(refused())),
		podCase("100,000 variables on a declared proxy", "declares istio-proxy with 100,000 variables", overBound, func() []byte {
			return podOf(`"containers":[{"name":"app","image":"i"},{"name":"istio-proxy","image":"auto","env":[` + list(100_000, `{"name":"E%d","value":"v"}`) + `]}]`)
		}, always(refused("env"))),
		podCase("100,000 variables", "has 100,000 variables", overBound, func() []byte {
			return podOf(`"containers":[{"name":"app","image":"i","env":[` + list(100_000, `{"name":"E%d","value":"v"}`) + `]}]`)
		}, always(refused("env"))),
		podCase("100,000 labels", "has 100,000 labels", "refused, or injected, within a second", func() []byte {
			return podOf(oneContainer, `"labels":{`+list(100_000, `"l%d":"v"`)+`}`)
		}, func(pod []byte) func(answer) error { return either(refused(), injected(pod)) }),
		podCase("100,000 ports", "has 100,000 ports", "refused, or injected, within a second", func() []byte {
			return podOf(`"containers":[{"name":"app","image":"i","ports":[` + list(100_000, `{"containerPort":80}`) + `]}]`)
		}, func(pod []byte) func(answer) error { return either(refused(), injected(pod)) }),
		notThroughAPIServer(podCase("100,000 owners and tolerations", "has 50,000 of each", "refused, or injected, within a second", func() []byte {
			return podOf(oneContainer+`,"tolerations":[`+list(50_000, `{"key":"k%d"}`)+`]`, `"ownerReferences":[`+list(20_000, `{"apiVersion":"v1","kind":"K%d","name":"n","uid":"u"}`)+`]`)
		}, func(pod []byte) func(answer) error { return either(refused(), injected(pod)) })),
		podCase("100,000 unknown fields", "has 100,000 fields that no type knows, in the spec and in a container", "refused, or injected, within a second", func() []byte {
			return podOf(`"containers":[{"name":"app","image":"i",` + list(50_000, `"f%d":{}`) + `}],` + list(50_000, `"g%d":[]`))
		}, func(pod []byte) func(answer) error { return either(refused(), injected(pod)) }),
		podCase("60,000 user volumes", "lists 60,000 volumes in sidecar.istio.io/userVolume and as many mounts", overBound, func() []byte {
			return podOf(oneContainer, annotations("sidecar.istio.io/userVolume", `{`+list(60_000, `"v%d":{"emptyDir":{}}`)+`}`,
				"sidecar.istio.io/userVolumeMount", `{`+list(60_000, `"v%d":{"mountPath":"/m"}`)+`}`))
		}, always(refused())),
		podCase("a bad annotation of 3 MiB", "sets proxy.istio.io/config to 3 MiB that are no YAML", overBound+"; answer and log line are short", func() []byte {
			return podOf(oneContainer, annotation("proxy.istio.io/config", strings.Repeat("{", 3*mib)))
		}, always(refused())),
		podCase("a template's name of 3 MiB", "sets inject.istio.io/templates to one name of 3 MiB", overBound+"; answer and log line are short", func() []byte {
			return podOf(oneContainer, annotation("inject.istio.io/templates", strings.Repeat("x", 3*mib)))
		}, always(refused())),
		podCase("names of a MiB", "has names of a MiB for the pod, a container, its image, a label and a volume", "refused, or injected, within a second; log line short", func() []byte {
			long := strings.Repeat("n", mib/2)
			return []byte(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"` + long + `","namespace":"` + long + `","labels":{"app":"` + long + `"}},` +
				`"spec":{"containers":[{"name":"` + long + `","image":"` + long + `"}],"volumes":[{"name":"` + long + `"}]}}`)
		}, func([]byte) func(answer) error {
			return either(refused(), templateFailed, injectedOrNot)
		}),
		{
			name:  "a uid of 2 MiB",
			does:  "sends a review whose uid has 2 MiB",
			right: "answered, or refused with 400; the log's line is short",
			run: func(a *attack) {
				a.pods(reviewOf(strings.Repeat("u", 2*mib), "default", smallPod), either(refused(), refusedWith(400), httpError(400), templateFailed, injectedOrNot))
			},
		},
		{
			name:  "a namespace of 2 MiB",
			does:  "sends a review whose namespace has 2 MiB",
			right: "answered, or refused; the log's line is short",
			run: func(a *attack) {
				a.pods(reviewOf("u", strings.Repeat("n", 2*mib), smallPod), either(refused(), refusedWith(400), httpError(400), templateFailed, injectedOrNot))
			},
		},
		{
			name:  "180,000 minimal containers from six callers",
			does:  "six peers send pods of 180,000 containers without a pause",
			right: overBound + "; memory stays under the limit",
			run: func(a *attack) {
				a.peers(6, review(podOf(`"containers":[`+list(180_000, `{"name":"c%d"}`)+`]`)), refused("containers"))
			},
		},
		{
			name:  "the largest bodies from 32 peers",
			does:  "32 peers send pods of 6.9 MiB of text without a pause",
			right: "refused, injected or rejected; memory stays under the limit",
			run: func(a *attack) {
				pod := podOf(`"containers":[{"name":"app","image":"i","args":["` + strings.Repeat(`\u00e9`, 6*mib/6+mib/8) + `"]}]`)
				a.peers(32, review(pod), either(refused(), rejected, injected(pod)))
			},
		},
		{
			name:  "empty objects from 16 peers",
			does:  "16 peers send pods of 1,000,000 empty objects, which take the most memory for their bytes",
			right: "refused, injected or rejected; memory stays under the limit",
			run: func(a *attack) {
				a.peers(16, review(podOf(`"containers":[`+list(1_000_000, `{}`)+`]`)), either(refused(), rejected))
			},
		},
		{
			name:  "all kinds of large pods from 16 peers",
			does:  "16 peers send pods with many containers, volumes, variables, annotations and unknown fields by turns",
			right: "refused, injected or rejected; memory stays under the limit",
			run: func(a *attack) {
				bodies := [][]byte{
					review(podOf(named(60_000))),
					review(podOf(oneContainer + `,"volumes":[` + list(60_000, `{"name":"v%d","emptyDir":{}}`) + `]`)),
					review(podOf(`"containers":[{"name":"app","image":"i","env":[` + list(60_000, `{"name":"E%d","value":"v"}`) + `]}]`)),
					review(podOf(oneContainer, `"annotations":{`+list(60_000, `"a%d":"v"`)+`}`)),
					review(podOf(oneContainer + `,` + list(60_000, `"u%d":[{}]`))),
				}
				var all sync.WaitGroup
				for p := range 16 {
					by := a.server.newCaller(hostilePeer(p), false)
					all.Go(func() {
						defer by.http.CloseIdleConnections()
						a.clients(1, func(context.Context, int) {
							got := by.send(a.ctx, bodies[p%len(bodies)], 10*time.Second)
							if !got.allowed() {
								a.judge("one of many", got, either(refused(), rejected))
							}
						})
					})
				}
				all.Wait()
			},
		},
		notThroughAPIServer(podCase("a large pod that is not injected", "has 100,000 containers and says that it is not to be injected", "let in as it is: bounds are for pods that are injected", func() []byte {
			return podOf(named(100_000), `"labels":{"sidecar.istio.io/inject":"false"}`)
		}, always(letIn))),
		{
			name:    "90,000 volumes in the classic dialect",
			does:    "has 90,000 volumes, and the server a classic configuration",
			right:   overBound,
			dialect: classic,
			run: func(a *attack) {
				a.pods(review(podOf(oneContainer+`,"volumes":[`+list(90_000, `{"name":"v%d","emptyDir":{}}`)+`]`)), refused("volumes"))
			},
		},
		{
			name:    "100,000 init containers in the classic dialect",
			does:    "has 100,000 init containers and as many containers, and the server a classic configuration",
			right:   overBound,
			dialect: classic,
			run: func(a *attack) {
				a.pods(review(podOf(named(60_000)+`,"initContainers":[`+list(60_000, `{"name":"i%d"}`)+`]`)), refused("containers"))
			},
		},
		{
			name:    "text that breaks out of YAML in the classic dialect",
			does:    "sets what the classic template writes into YAML as it is: the label app, the proxy's image",
			right:   "refused, or injected",
			dialect: classic,
			run: func(a *attack) {
				by := a.server.newCaller(a.peer, false)
				for _, text := range breakouts {
					got := by.send(a.ctx, review(podOf(oneContainer, `"labels":{"app":`+encoded(text)+`}`)), 10*time.Second)
					a.judge(fmt.Sprintf("label %q", text), got, either(refused(), templateFailed, injectedOrNot)) // a classic template quotes nothing
				}
			},
		},
	}
}

// notThroughAPIServer marks a case whose pod an API server itself needs a minute
// or more to validate.
func notThroughAPIServer(c hostileCase) hostileCase {
	c.direct = true
	return c
}

// peers send one body each, from addresses of their own, without a pause.
func (a *attack) peers(n int, body []byte, expect func(answer) error) {
	by := make([]*caller, n)
	for i := range by {
		by[i] = a.server.newCaller(hostilePeer(i), false)
		defer by[i].http.CloseIdleConnections()
	}
	calls, busy := 0, 0
	a.clients(n, func(_ context.Context, client int) {
		got := by[client].send(a.ctx, body, 10*time.Second)
		over := rejected(got) == nil
		a.mu.Lock()
		calls++
		if over {
			busy++
		}
		a.mu.Unlock()
		if !over && !got.allowed() {
			a.judge("one of many", got, expect)
		}
	})
	a.notef("%d KiB, %d calls, %d rejected", len(body)>>10, calls, busy)
}

// httpError expects an answer that is no review.
func httpError(code int) func(answer) error {
	return func(got answer) error {
		if got.err != nil || got.status != code {
			return fmt.Errorf("%s, want HTTP %d", got, code)
		}
		if got.bytes > mostAnswer {
			return fmt.Errorf("the answer has %d bytes, want at most %d", got.bytes, mostAnswer)
		}
		return nil
	}
}
