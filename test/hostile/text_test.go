//go:build integration && linux

package hostile

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// breakouts are texts that end what they stand in and begin something else, in
// YAML, in JSON, or in a template.
var breakouts = []string{
	"x\n    securityContext:\n      privileged: true\n    y: ",
	"x\n  - name: evil\n    image: evil\n",
	"x\"\n  containers:\n  - name: evil\n    image: \"evil",
	`x", "securityContext": {"privileged": true}, "y": "`,
	`x"}], "containers": [{"name": "evil", "image": "evil`,
	`x'}], 'containers': [{'name': 'evil'}], 'y': '`,
	"x]\n  hostNetwork: true\n  y: [",
	"x\n---\nspec:\n  hostNetwork: true\n",
	"x\n...\n",
	"x\r\n  hostNetwork: true\r\n",
	"x\u0085  hostNetwork: true\u2028  hostPID: true\u2029",
	"{{ .Values }}", "{{ env \"PATH\" }}", "{{ define \"x\" }}{{ end }}", "[[ .Values ]]", "{{/*", "}}",
	"&anchor", "*alias", "!!binary aGVsbG8=", "!!python/object/apply:os.system [id]", "<<: *x", "? x\n: y",
	"| \n  hostNetwork: true", ">-\n x", "# comment", "x: y", "- x", "@x", "`x`", "%TAG ! tag:x,2000:", "%s%d%!",
	"\t", " ", "", "~", "null", "true", "no", "0x10", "1e3", "-.inf", "2001-01-01", "12:30:45",
	"\x00", "\x1b[31m", "\\", "\\u0000", "\\\"", "\"", "'", "\ufeff", "\U0001F4A5", "</script>", "$(POD_NAME)", "${PATH}", "`id`", "; id",
}

// places are where a pod's author can put a text that the template sees.
var places = []struct {
	name string
	pod  func(text string) []byte
}{
	{"name of the pod", func(s string) []byte {
		return []byte(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":` + encoded(s) + `},"spec":{` + oneContainer + `}}`)
	}},
	{"generated name", func(s string) []byte {
		return []byte(`{"apiVersion":"v1","kind":"Pod","metadata":{"generateName":` + encoded(s) + `},"spec":{` + oneContainer + `}}`)
	}},
	{"name of a container", func(s string) []byte { return podOf(`"containers":[{"name":` + encoded(s) + `,"image":"i"}]`) }},
	{"image", func(s string) []byte { return podOf(`"containers":[{"name":"app","image":` + encoded(s) + `}]`) }},
	{"variable's name and value", func(s string) []byte {
		return podOf(`"containers":[{"name":"app","image":"i","env":[{"name":` + encoded(s) + `,"value":` + encoded(s) + `}]}]`)
	}},
	{"variable OTEL_SERVICE_NAME", func(s string) []byte {
		return podOf(`"containers":[{"name":"app","image":"i","env":[{"name":"OTEL_RESOURCE_ATTRIBUTES","value":` + encoded(s) + `}]}]`)
	}},
	{"name of a port", func(s string) []byte {
		return podOf(`"containers":[{"name":"app","image":"i","ports":[{"name":` + encoded(s) + `,"protocol":` + encoded(s) + `,"containerPort":80}]}]`)
	}},
	{"path of a probe", func(s string) []byte {
		return podOf(`"containers":[{"name":"app","image":"i","livenessProbe":{"httpGet":{"path":` + encoded(s) + `,"port":80,"httpHeaders":[{"name":` + encoded(s) + `,"value":` + encoded(s) + `}]}}}]`)
	}},
	{"port of a probe", func(s string) []byte {
		return podOf(`"containers":[{"name":"app","image":"i","livenessProbe":{"httpGet":{"port":` + encoded(s) + `}}}]`)
	}},
	{"owner's name and kind", func(s string) []byte {
		return podOf(oneContainer, `"ownerReferences":[{"apiVersion":`+encoded(s)+`,"kind":`+encoded(s)+`,"name":`+encoded(s)+`,"uid":"u","controller":true}]`)
	}},
	{"service account and host name", func(s string) []byte {
		return podOf(oneContainer + `,"serviceAccountName":` + encoded(s) + `,"hostname":` + encoded(s))
	}},
	{"name of a volume", func(s string) []byte {
		return podOf(oneContainer + `,"volumes":[{"name":` + encoded(s) + `,"emptyDir":{}}]`)
	}},
	{"unknown field", func(s string) []byte { return podOf(oneContainer + `,` + encoded(s+"unknown") + `:` + encoded(s)) }},
	{"key of a label", func(s string) []byte { return podOf(oneContainer, `"labels":{`+encoded(s)+`:"v"}`) }},
	{"key of an annotation", func(s string) []byte { return podOf(oneContainer, annotation(s, "v")) }},
}

// labels and annotations whose values the chart's template reads.
var (
	labelsRead      = []string{"app", "version", "app.kubernetes.io/name", "app.kubernetes.io/version", "security.istio.io/tlsMode", "service.istio.io/canonical-name", "service.istio.io/canonical-revision", "service.istio.io/workload-name"}
	annotationsRead = []string{
		"inject.istio.io/templates", "sidecar.istio.io/status", "sidecar.istio.io/interceptionMode", "sidecar.istio.io/capNetBindService", "sidecar.istio.io/nativeSidecar",
		"status.sidecar.istio.io/port", "sidecar.istio.io/agentLogLevel", "sidecar.istio.io/logLevel", "sidecar.istio.io/componentLogLevel",
		"traffic.sidecar.istio.io/includeOutboundIPRanges", "traffic.sidecar.istio.io/excludeOutboundIPRanges", "traffic.sidecar.istio.io/includeInboundPorts",
		"traffic.sidecar.istio.io/excludeInboundPorts", "traffic.sidecar.istio.io/includeOutboundPorts", "traffic.sidecar.istio.io/excludeOutboundPorts",
		"istio.io/reroute-virtual-interfaces", "traffic.sidecar.istio.io/kubevirtInterfaces", "traffic.sidecar.istio.io/excludeInterfaces",
		"sidecar.istio.io/proxyCPU", "sidecar.istio.io/proxyMemory", "sidecar.istio.io/proxyCPULimit", "sidecar.istio.io/proxyMemoryLimit", "sidecar.istio.io/proxyImage",
		"sidecar.istio.io/bootstrapOverride", "readiness.status.sidecar.istio.io/initialDelaySeconds", "readiness.status.sidecar.istio.io/periodSeconds",
		"readiness.status.sidecar.istio.io/failureThreshold", "kubectl.kubernetes.io/default-container", "kubectl.kubernetes.io/default-logs-container",
		"proxy.istio.io/config", "proxy.istio.io/overrides", "sidecar.istio.io/userVolume", "sidecar.istio.io/userVolumeMount", "sidecar.istio.io/inject",
		"sidecar.istio.io/rewriteAppHTTPProbers", "prometheus.io/scrape", "prometheus.io/port", "prometheus.io/path", "prometheus.istio.io/merge-metrics",
	}
)

// textCases send text that means something to one of the languages on its way.
func textCases() []hostileCase {
	const rightly = "refused with a review, or injected with the sidecar once and nothing else; the answer parses"
	var cases []hostileCase
	for _, p := range places {
		cases = append(cases, breakout("break-out through: "+p.name, rightly, []func(string) []byte{p.pod}))
	}
	var labels, notes []func(string) []byte
	for _, key := range labelsRead {
		labels = append(labels, func(s string) []byte { return podOf(oneContainer, `"labels":{`+encoded(key)+`:`+encoded(s)+`}`) })
	}
	for _, key := range annotationsRead {
		notes = append(notes, func(s string) []byte { return podOf(oneContainer, annotation(key, s)) })
	}
	cases = append(cases,
		breakout("break-out through values of labels", rightly, labels),
		breakout("break-out through values of annotations", rightly, notes),
		hostileCase{
			name: "broken texts", does: "sends bodies that are no JSON, no review, invalid UTF-8, twice the same name, or deeply nested",
			right: "refused with 400 or a review, or read as an API server reads it; never a panic", run: broken,
		},
	)
	for _, n := range nestings {
		cases = append(cases, hostileCase{
			name: "deep nesting: " + n.name, does: "nests 100,000 to 3,000,000 deep there",
			right: "refused, or injected, within a second",
			run: func(a *attack) {
				for _, depth := range []int{100_000, 3_000_000} {
					body := n.body(depth)
					if len(body) > 7*mib-1024 {
						body = n.body(depth / 4)
					}
					a.pods(body, either(refused(), httpError(400), refusedWith(400), templateFailed, injectedOrNot))
				}
			},
		})
	}
	return cases
}

// injectedOrNot accepts what is answered at all.
func injectedOrNot(got answer) error {
	if !got.allowed() {
		return fmt.Errorf("%s", got)
	}
	return nil
}

func breakout(name, right string, pods []func(string) []byte) hostileCase {
	return hostileCase{
		name: name, does: fmt.Sprintf("puts %d texts that end what they stand in there", len(breakouts)), right: right,
		run: func(a *attack) {
			by := a.server.newCaller(a.peer, false)
			defer by.http.CloseIdleConnections()
			in, out := 0, 0
			for _, pod := range pods {
				for _, text := range breakouts {
					p := pod(text)
					got := by.send(a.ctx, review(p), 10*time.Second)
					if got.allowed() {
						in++
						if len(got.response.Patch) == 0 { // not to be injected, as sidecar.istio.io/inject may say
							continue
						}
						if err := injectedOnce(p, got.response.Patch, notEvil); err != nil {
							a.wrongf("%s: %v", cut(string(p)), err)
						}
						continue
					}
					out++
					a.judge(cut(string(p)), got, either(refused(), refusedWith(403), templateFailed))
				}
			}
			a.notef("%d let in, %d refused", in, out)
		},
	}
}

// notEvil looks for what the texts would inject.
func notEvil(p *corev1.Pod) error {
	if p.Spec.HostNetwork || p.Spec.HostPID || p.Spec.HostIPC {
		return fmt.Errorf("the pod got the node's network or processes")
	}
	for _, list := range [][]corev1.Container{p.Spec.InitContainers, p.Spec.Containers} {
		for _, c := range list {
			if c.Name == "evil" || c.SecurityContext != nil && c.SecurityContext.Privileged != nil && *c.SecurityContext.Privileged {
				return fmt.Errorf("container %q is there, or privileged", c.Name)
			}
		}
	}
	return nil
}

// broken sends what is no review of a pod.
func broken(a *attack) {
	by := a.server.newCaller(a.peer, false)
	defer by.http.CloseIdleConnections()
	pod := string(smallPod)
	whole := string(review(smallPod))
	for name, text := range map[string]string{
		"empty": "", "null": "null", "a number": "1", "a list": "[]", "half": whole[:len(whole)/2], "twice": whole + whole, "trailing": whole + "x",
		"no request": `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}`, "another kind": strings.Replace(whole, "AdmissionReview", "Pod", 1),
		"an old version": strings.Replace(whole, "admission.k8s.io/v1", "admission.k8s.io/v0", 1), "a byte order mark": "\ufeff" + whole,
		"UTF-16": strings.Join(strings.Split(whole, ""), "\x00"), "comments": "/* x */" + whole,
	} {
		a.judge(name, by.send(a.ctx, []byte(text), 10*time.Second), httpError(400))
	}
	for name, text := range map[string]string{
		"invalid UTF-8 in a name":        strings.Replace(pod, "victim", "vic\xfftim", 1),
		"invalid UTF-8 in a key":         strings.Replace(pod, `"name":"victim"`, `"na\xffme":"victim"`, 1),
		"half a surrogate":               strings.Replace(pod, "victim", `vic\ud800tim`, 1),
		"overlong UTF-8":                 strings.Replace(pod, "victim", "vic\xc0\x80tim", 1),
		"control characters":             strings.Replace(pod, "victim", "vic\x01tim", 1),
		"the same name twice":            strings.Replace(pod, `"name":"victim"`, `"name":"victim","name":"other"`, 1),
		"the spec twice":                 strings.Replace(pod, `"spec":{`, `"spec":{"hostNetwork":true},"spec":{`, 1),
		"the containers twice":           strings.Replace(pod, `"containers":`, `"containers":[{"name":"evil"}],"containers":`, 1),
		"names in other case":            strings.Replace(pod, `"spec"`, `"SPEC"`, 1),
		"two containers of one name":     string(podOf(`"containers":[{"name":"app","image":"i"},{"name":"app","image":"j"}]`)),
		"two volumes of one name":        string(podOf(oneContainer + `,"volumes":[{"name":"v"},{"name":"v"}]`)),
		"the sidecar twice":              string(podOf(`"containers":[{"name":"istio-proxy"},{"name":"istio-proxy"},{"name":"app","image":"i"}]`)),
		"containers of a wrong type":     string(podOf(`"containers":{"name":"app"}`)),
		"a container that is null":       string(podOf(`"containers":[null]`)),
		"a container that is a number":   string(podOf(`"containers":[7]`)),
		"labels of a wrong type":         string(podOf(oneContainer, `"labels":{"a":7}`)),
		"annotations that are null":      string(podOf(oneContainer, `"annotations":null`)),
		"an annotation that is null":     string(podOf(oneContainer, `"annotations":{"inject.istio.io/templates":null}`)),
		"no spec":                        `{"metadata":{"name":"x"}}`,
		"no metadata":                    `{"spec":{` + oneContainer + `}}`,
		"a pod that is a list":           `[]`,
		"a pod that is text":             `"pod"`,
		"an ephemeral container, forged": string(podOf(oneContainer + `,"ephemeralContainers":[{"name":"istio-proxy"}]`)),
	} {
		got := by.send(a.ctx, review([]byte(text)), 10*time.Second)
		a.judge(name, got, either(refused(), refusedWith(400), httpError(400), func(got answer) error {
			if !got.allowed() {
				return fmt.Errorf("%s", got)
			}
			if err := injectedOnce([]byte(text), got.response.Patch, nil); err != nil && len(got.response.Patch) > 0 {
				return err
			}
			return nil
		}))
	}
}

var nestings = []struct {
	name string
	body func(depth int) []byte
}{
	{"the review", func(d int) []byte { return []byte(strings.Repeat(`{"request":`, d/4) + "1" + strings.Repeat("}", d/4)) }},
	{"lists in the pod", func(d int) []byte {
		return review(podOf(oneContainer + `,"deep":` + strings.Repeat("[", d) + strings.Repeat("]", d)))
	}},
	{"objects in a container", func(d int) []byte {
		return review(podOf(`"containers":[{"name":"app","image":"i","deep":` + strings.Repeat(`{"a":`, d/4) + "1" + strings.Repeat("}", d/4) + `}]`))
	}},
	{"brackets that are not closed", func(d int) []byte { return review([]byte(strings.Repeat("[", d))) }},
	{"proxy configuration", func(d int) []byte {
		return review(podOf(oneContainer, annotation("proxy.istio.io/config", "a: "+strings.Repeat("[", d/2)+strings.Repeat("]", d/2))))
	}},
	{"blocks in the proxy configuration", func(d int) []byte {
		d = min(d, 2000)
		var b strings.Builder
		for i := range d {
			b.WriteString(strings.Repeat(" ", i) + "a:\n")
		}
		return review(podOf(oneContainer, annotation("proxy.istio.io/config", b.String())))
	}},
	{"overrides", func(d int) []byte {
		return review(podOf(oneContainer, annotation("proxy.istio.io/overrides", `{"containers":`+strings.Repeat("[", d/2)+strings.Repeat("]", d/2)+`}`)))
	}},
	{"status", func(d int) []byte {
		return review(podOf(oneContainer, annotation("sidecar.istio.io/status", `{"containers":`+strings.Repeat("[", d/2)+strings.Repeat("]", d/2)+`}`)))
	}},
	{"user volumes", func(d int) []byte {
		return review(podOf(oneContainer, annotation("sidecar.istio.io/userVolume", `{"v":`+strings.Repeat("[", d/2)+strings.Repeat("]", d/2)+`}`)))
	}},
	{"aliases in the proxy configuration", func(d int) []byte {
		var b strings.Builder
		b.WriteString("a0: &a0 [x,x,x,x,x,x,x,x,x]\n")
		for i := range 40 {
			fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i), 9), ","))
		}
		return review(podOf(oneContainer, annotation("proxy.istio.io/config", b.String())))
	}},
}
