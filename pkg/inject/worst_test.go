package inject_test

import (
	"fmt"
	"strings"
)

// worst are the pods that cost the most of what they are about, within the bounds,
// by a name.
func worst() map[string]string {
	long := strings.Repeat("x", 3<<20)
	numbered := func(n int, format string) string {
		return joined(n, func(i int) string { return fmt.Sprintf(format, i) })
	}
	annotated := func(key, value string) string {
		return fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}},"spec":{"containers":[{"name":"app"},{"name":"istio-proxy"}]}}`, key, value)
	}
	return map[string]string{
		"an ordinary pod":                  `{"metadata":{"name":"a"},"spec":{"containers":[{"name":"app","image":"app:1"}]}}`,
		"containers":                       podOf("", `"containers":[`+numbered(200, `{"name":"c%d"}`)+`]`),
		"more containers than are counted": podOf("", `"containers":[`+repeated(8_000, "{}")+`]`),
		"volumes":                          podOf("", `"containers":[{}],"volumes":[`+numbered(2_000, `{"name":"v%d"}`)+`]`),
		"sources of a volume":              podOf("", `"containers":[{}],"volumes":[{"name":"v","projected":{"sources":[`+repeated(65_000, "{}")+`]}}]`),
		"variables":                        podOf("", `"containers":[{"env":[`+repeated(20_000, "{}")+`]}]`),
		"variables of the proxy":           podOf("", `"containers":[{"name":"app"},{"name":"istio-proxy","env":[`+numbered(20_000, `{"name":"E%d"}`)+`]}]`),
		"a long variable":                  podOf("", `"containers":[{"name":"app","env":[{"name":"A","value":"`+long+`"}]}]`),
		"a long variable of the proxy":     podOf("", `"containers":[{"name":"app"},{"name":"istio-proxy","env":[{"name":"A","value":"`+long+`"}]}]`),
		"an escaped variable of the proxy": podOf("", `"containers":[{"name":"app"},{"name":"istio-proxy","env":[{"name":"A","value":"`+strings.Repeat(`\u0001`, 500_000)+`"}]}]`),
		"mounts":                           podOf("", `"containers":[{"volumeMounts":[`+numbered(20_000, `{"mountPath":"/%d"}`)+`]}]`),
		"mounts of the proxy":              podOf("", `"containers":[{"name":"app"},{"name":"istio-proxy","volumeMounts":[`+numbered(20_000, `{"mountPath":"/%d"}`)+`]}]`),
		"ports":                            podOf("", `"containers":[{"ports":[`+numbered(10_000, `{"containerPort":%d}`)+`]}]`),
		"probes by the names of ports": podOf("", `"containers":[`+joined(200, func(i int) string {
			return fmt.Sprintf(`{"name":"c%d","ports":[%s],"livenessProbe":{"httpGet":{"port":"x"}},"readinessProbe":{"httpGet":{"port":"x"}},"startupProbe":{"httpGet":{"port":"x"}}}`, i, repeated(50, `{"name":"y"}`))
		})+`]`),
		"tolerations":                       podOf("", `"containers":[{}],"tolerations":[`+repeated(65_000, "{}")+`]`),
		"tolerations that are null":         podOf("", `"containers":[{}],"tolerations":[`+repeated(65_000, "null")+`]`),
		"resources":                         podOf("", `"containers":[{"resources":{"limits":{`+numbered(40_000, `"r%d":1`)+`}}}]`),
		"managed fields":                    `{"metadata":{"managedFields":[` + repeated(65_000, "{}") + `]},"spec":{"containers":[{}]}}`,
		"arguments":                         podOf("", `"containers":[{"args":[`+repeated(65_000, `""`)+`]}]`),
		"unknown fields":                    podOf("", `"containers":[{}],`+numbered(120_000, `"u%d":0`)),
		"items with unknown fields":         podOf("", `"containers":[{}],"tolerations":[`+repeated(65_000, `{"u":0}`)+`]`),
		"text that readers disagree about":  podOf("", `"a":1,"a":2,"containers":[{"env":[{"name":"A","value":"`+long+`"}]}]`),
		"items that readers disagree about": podOf("", `"a":1,"a":2,"containers":[{}],"tolerations":[`+repeated(65_000, "{}")+`]`),
		"labels":                            `{"metadata":{"labels":{` + numbered(1_000, `"l%d":""`) + `}},"spec":{"containers":[{}]}}`,
		"annotations":                       podOf(numbered(40_000, `"%d":""`), `"containers":[{}]`),
		"a long annotation":                 annotated("a", strings.Repeat("y", 250<<10)),
		"templates":                         annotated("inject.istio.io/templates", repeated(16, "sidecar")),
		"a proxy configuration":             annotated("proxy.istio.io/config", "proxyMetadata: {"+numbered(1_990, "A%d: b")+"}"),
		"a long proxy configuration":        annotated("proxy.istio.io/config", "proxyMetadata: {A: "+strings.Repeat("x", 60<<10)+"}"),
		"scrape targets":                    annotated("prometheus.istio.io/scrape-targets", repeated(30_000, "1")),
		"IP ranges":                         annotated("traffic.sidecar.istio.io/excludeOutboundIPRanges", repeated(5_000, "10.0.0.0/8")),
		"an earlier injection": `{"metadata":{"annotations":{"sidecar.istio.io/status":"{\"containers\":[` + numbered(200, `\"c%d\"`) + `],\"volumes\":[` + numbered(2_000, `\"v%d\"`) + `]}"}},` +
			`"spec":{"containers":[` + numbered(199, `{"name":"c%d"}`) + `,{"name":"app"}],"volumes":[` + numbered(2_000, `{"name":"v%d"}`) + `]}}`,
		"overrides": `{"metadata":{"annotations":{"sidecar.istio.io/status":"{\"containers\":[\"istio-proxy\"]}","proxy.istio.io/overrides":"{\"containers\":[{\"name\":\"istio-proxy\",\"volumeMounts\":[` + repeated(19_000, "{}") + `]}]}"}},` +
			`"spec":{"containers":[{"name":"app"},{"name":"istio-proxy"}]}}`,
	}
}

// podOf returns a pod with annotations and fields of its spec, without their braces.
func podOf(annotations, spec string) string {
	return `{"metadata":{"name":"large","annotations":{` + annotations + `}},"spec":{` + spec + `}}`
}

// joined returns n items in a row.
func joined(n int, item func(i int) string) string {
	items := make([]string, n)
	for i := range items {
		items[i] = item(i)
	}
	return strings.Join(items, ",")
}

// repeated returns n times the same item.
func repeated(n int, item string) string { return joined(n, func(int) string { return item }) }
