package classic

import (
	"encoding/json"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/proxy"
)

// RedirectProbes records on the proxy where the HTTP readiness and liveness probes
// of the application go, each as a bare request, and redirects them to the proxy's
// agent, on the port of the proxy's argument --statusPort. Without that argument
// they are recorded and not redirected.
//
// A probe of the application may go to the status port as well: it is recorded like
// any other, since the agent answers only what it has a record of. One below
// /app-health/ on that port has been redirected before, and stays as it is.
func RedirectProbes(pod *corev1.Pod) {
	agent := proxy.FindContainer(pod.Spec.Containers, proxy.Name)
	if agent == nil {
		return
	}
	statusPort, redirect := flagValue(agent.Args, "statusPort")
	records := map[string]*corev1.HTTPGetAction{}
	eachHTTPProbe(&pod.Spec, func(c *corev1.Container, at **corev1.Probe, path string) {
		was := *(*at).HTTPGet
		n, known := proxy.ResolvePort(c, was.Port)
		if redirect && known && n == int32(statusPort) && strings.HasPrefix(was.Path, "/app-health/") {
			return
		}
		if known {
			record := was
			record.Port = intstr.FromInt32(n)
			records[path] = &record
		}
		if redirect {
			was.Port, was.Path = intstr.FromInt32(int32(statusPort)), path
			// The agent serves plain HTTP, and speaks HTTPS to the application itself.
			if was.Scheme == corev1.URISchemeHTTPS {
				was.Scheme = corev1.URISchemeHTTP
			}
			replaceRequest(at, &was)
		}
	})
	// Agents of this dialect expect the variable even when there is no probe.
	text, _ := json.Marshal(records) // cannot fail for these types
	proxy.AddEnv(agent, proxy.ProbersEnv, string(text))
}

// RestoreProbes reverts RedirectProbes with the records on the proxy, which may
// have been removed from the spec already. A port that had a name comes back as a
// number.
func RestoreProbes(spec *corev1.PodSpec, agent *corev1.Container) {
	if agent == nil {
		return
	}
	e := proxy.LookupEnv(agent, proxy.ProbersEnv)
	if e == nil {
		return
	}
	var records map[string]*corev1.HTTPGetAction
	if json.Unmarshal([]byte(e.Value), &records) != nil {
		return
	}
	eachHTTPProbe(spec, func(_ *corev1.Container, at **corev1.Probe, path string) {
		// Records of the current dialect hold no request at this level, so no port.
		if was := records[path]; was != nil && was.Port != (intstr.IntOrString{}) && (*at).HTTPGet.Path == path {
			replaceRequest(at, was)
		}
	})
}

// eachHTTPProbe calls do with every HTTP readiness and liveness probe of the
// application, and with the agent's path for it. A probe must be replaced rather
// than written to.
func eachHTTPProbe(spec *corev1.PodSpec, do func(c *corev1.Container, at **corev1.Probe, path string)) {
	for i := range spec.Containers {
		c := &spec.Containers[i]
		if c.Name == proxy.Name {
			continue
		}
		if c.ReadinessProbe != nil && c.ReadinessProbe.HTTPGet != nil {
			do(c, &c.ReadinessProbe, proxy.HealthPath(c.Name, "readyz"))
		}
		if c.LivenessProbe != nil && c.LivenessProbe.HTTPGet != nil {
			do(c, &c.LivenessProbe, proxy.HealthPath(c.Name, "livez"))
		}
	}
}

// replaceRequest replaces a probe by a copy with another request.
func replaceRequest(at **corev1.Probe, get *corev1.HTTPGetAction) {
	p := **at
	p.HTTPGet = get
	*at = &p
}
