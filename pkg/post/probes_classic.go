package post

import (
	"encoding/json"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// RewriteClassic redirects the HTTP readiness and liveness probes of the
// application to the proxy's agent, in the form of the classic dialect: the
// port is the one that the proxy's --statusPort argument names, and a record is
// the bare request. Without that argument nothing is rewritten.
func RewriteClassic(pod *corev1.Pod) {
	proxy := Find(pod.Spec.Containers, Proxy)
	if proxy == nil {
		return
	}
	port, ok := flagValue(proxy.Args, "statusPort")
	if !ok {
		return
	}
	records := map[string]*corev1.HTTPGetAction{}
	for i := range pod.Spec.Containers {
		c := &pod.Spec.Containers[i]
		if c.Name == Proxy {
			continue
		}
		classicProbe(c, &c.ReadinessProbe, healthPath(c.Name, "readyz"), port, records)
		classicProbe(c, &c.LivenessProbe, healthPath(c.Name, "livez"), port, records)
	}
	// The agent of the time expects the variable even when there is no probe.
	text, _ := json.Marshal(records)
	addEnv(proxy, ProbersEnv, string(text))
}

func classicProbe(c *corev1.Container, at **corev1.Probe, path string, port int, records map[string]*corev1.HTTPGetAction) {
	if *at == nil || (*at).HTTPGet == nil {
		return
	}
	r := &rewriter{port: int32(port), meshPort: int32(port)}
	p := **at
	was := *p.HTTPGet
	if r.resolve(c, &was.Port) {
		records[path] = &was
	}
	p.HTTPGet = r.action(p.HTTPGet, path)
	*at = &p
}

// RestoreClassic undoes RewriteClassic with the records that the proxy has.
func RestoreClassic(spec *corev1.PodSpec, proxy *corev1.Container) {
	if proxy == nil {
		return
	}
	e := lookupEnv(proxy, ProbersEnv)
	if e == nil {
		return
	}
	var plain map[string]*corev1.HTTPGetAction
	if json.Unmarshal([]byte(e.Value), &plain) != nil {
		return
	}
	records := make(map[string]*Prober, len(plain))
	for path, get := range plain {
		if get != nil && get.Port != (intstr.IntOrString{}) {
			records[path] = &Prober{HTTPGet: get}
		}
	}
	for i := range spec.Containers {
		c := &spec.Containers[i]
		restoreProbe(&c.ReadinessProbe, healthPath(c.Name, "readyz"), records)
		restoreProbe(&c.LivenessProbe, healthPath(c.Name, "livez"), records)
	}
}
