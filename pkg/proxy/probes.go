package proxy

import (
	"encoding/json"
	"maps"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/annotations"
)

const (
	// ProbersEnv records the application's probes for the proxy's agent.
	ProbersEnv = "ISTIO_KUBE_APP_PROBERS"
	// RewriteProbersKey is the annotation that switches Probes for one pod.
	RewriteProbersKey = "sidecar.istio.io/rewriteAppHTTPProbers"
)

// Probes are the settings for redirecting the application's probes and hooks to
// the proxy's agent. The kubelet has no certificate of the mesh, so it could not
// reach them through the proxy; the agent calls them at the application.
type Probes struct {
	// Rewrite is the setting of the values; the pod's annotation wins.
	Rewrite bool
	// StatusPort is the mesh's setting for the agent's port; the pod's annotation
	// wins.
	StatusPort int32
}

// prober records where one probe or hook went.
type prober struct {
	HTTPGet        *corev1.HTTPGetAction   `json:"httpGet,omitempty"`
	TCPSocket      *corev1.TCPSocketAction `json:"tcpSocket,omitempty"`
	GRPC           *corev1.GRPCAction      `json:"grpc,omitempty"`
	TimeoutSeconds int32                   `json:"timeoutSeconds,omitempty"`
}

// Apply redirects the probes and hooks of every container but the proxy, and
// records on the proxy where they went. With reinvoked the pod has been injected
// before, and the records of that injection are kept.
func (p Probes) Apply(pod *corev1.Pod, reinvoked bool) {
	agent := Find(&pod.Spec)
	if agent == nil || !p.rewrites(pod.Annotations) {
		return
	}
	port := p.statusPort(pod.Annotations)
	// Port 0 switches the agent's status server off: nobody would answer.
	if port == 0 {
		return
	}
	r := &redirection{port: port, meshPort: p.StatusPort, records: map[string]*prober{}}
	eachContainer(&pod.Spec, func(c *corev1.Container) {
		eachProbe(c, func(at **corev1.Probe, path string) { r.probe(c, at, path) })
		eachHook(c, func(at **corev1.LifecycleHandler, path string) { r.hook(c, at, path) })
	})
	if len(r.records) > 0 {
		record(agent, r.records, reinvoked)
	}
}

// RevertProbes gives every redirected probe and hook the action that is recorded
// on the proxy. A port that had a name comes back as a number. A probe that was
// not recorded stays as it is.
func RevertProbes(pod *corev1.Pod) {
	agent := Find(&pod.Spec)
	if agent == nil {
		return
	}
	e := LookupEnv(agent, ProbersEnv)
	if e == nil {
		return
	}
	records, err := readRecords(e.Value)
	if err != nil {
		return
	}
	eachContainer(&pod.Spec, func(c *corev1.Container) {
		eachProbe(c, func(at **corev1.Probe, path string) {
			if was := records[path]; was != nil && redirected((*at).HTTPGet, path) {
				p := **at
				p.HTTPGet, p.TCPSocket, p.GRPC = was.HTTPGet, was.TCPSocket, was.GRPC
				*at = &p
			}
		})
		eachHook(c, func(at **corev1.LifecycleHandler, path string) {
			if was := records[path]; was != nil && redirected((*at).HTTPGet, path) {
				h := **at
				h.HTTPGet, h.TCPSocket = was.HTTPGet, was.TCPSocket
				*at = &h
			}
		})
	})
}

// DropRedirected removes from the user's version of a container, which is about to
// be merged onto the injected one, the probes and hooks that are redirected there.
// Else the merge would put the action from before beside the one that replaced it.
func DropRedirected(injected, user *corev1.Container) {
	drop := map[string]bool{}
	eachProbe(injected, func(at **corev1.Probe, path string) { drop[path] = redirected((*at).HTTPGet, path) })
	eachHook(injected, func(at **corev1.LifecycleHandler, path string) { drop[path] = redirected((*at).HTTPGet, path) })
	eachProbe(user, func(at **corev1.Probe, path string) {
		if drop[path] {
			*at = nil
		}
	})
	eachHook(user, func(at **corev1.LifecycleHandler, path string) {
		if drop[path] {
			*at = nil
		}
	})
}

// redirected reports whether an action is what Apply replaced another one by.
func redirected(get *corev1.HTTPGetAction, path string) bool { return get != nil && get.Path == path }

func (p Probes) rewrites(all map[string]string) bool {
	if v, err := strconv.ParseBool(all[RewriteProbersKey]); err == nil {
		return v
	}
	return p.Rewrite
}

func (p Probes) statusPort(all map[string]string) int32 {
	if n, err := strconv.ParseUint(all[annotations.StatusPort], 10, 16); err == nil {
		return int32(n)
	}
	return p.StatusPort
}

// eachContainer calls do with every container but the proxy.
func eachContainer(spec *corev1.PodSpec, do func(*corev1.Container)) {
	for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			if list[i].Name != Name {
				do(&list[i])
			}
		}
	}
}

// eachProbe calls do with every probe that a container has, and with the agent's
// path for it. A probe must be replaced rather than written to.
func eachProbe(c *corev1.Container, do func(at **corev1.Probe, path string)) {
	for _, p := range []struct {
		at   **corev1.Probe
		kind string
	}{{&c.ReadinessProbe, "readyz"}, {&c.LivenessProbe, "livez"}, {&c.StartupProbe, "startupz"}} {
		if *p.at != nil {
			do(p.at, HealthPath(c.Name, p.kind))
		}
	}
}

// eachHook calls do with every hook that a container has, and with the agent's
// path for it. A hook must be replaced rather than written to.
func eachHook(c *corev1.Container, do func(at **corev1.LifecycleHandler, path string)) {
	if c.Lifecycle == nil {
		return
	}
	hooks := *c.Lifecycle
	for _, h := range []struct {
		at   **corev1.LifecycleHandler
		kind string
	}{{&hooks.PreStop, "prestopz"}, {&hooks.PostStart, "poststartz"}} {
		if *h.at != nil {
			do(h.at, "/app-lifecycle/"+c.Name+"/"+h.kind)
		}
	}
	if hooks != *c.Lifecycle {
		c.Lifecycle = &hooks
	}
}

// HealthPath returns the agent's path for a probe of a container: readyz, livez or
// startupz.
func HealthPath(container, kind string) string { return "/app-health/" + container + "/" + kind }

// ResolvePort returns the number of a port that may be the name of one of the
// container's ports. ok is false where no port has that name.
func ResolvePort(c *corev1.Container, port intstr.IntOrString) (number int32, ok bool) {
	if port.Type == intstr.Int {
		return port.IntVal, true
	}
	for _, p := range c.Ports {
		if p.Name != "" && p.Name == port.StrVal {
			return p.ContainerPort, true
		}
	}
	return 0, false
}

// redirection is one execution of Probes.Apply.
type redirection struct {
	port, meshPort int32
	records        map[string]*prober // by path
}

func (r *redirection) probe(c *corev1.Container, at **corev1.Probe, path string) {
	p := **at
	if p.HTTPGet == nil && p.TCPSocket == nil && p.GRPC == nil {
		return
	}
	r.note(c, path, prober{p.HTTPGet, p.TCPSocket, p.GRPC, p.TimeoutSeconds})
	p.HTTPGet, p.TCPSocket, p.GRPC = r.action(p.HTTPGet, path), nil, nil
	*at = &p
}

func (r *redirection) hook(c *corev1.Container, at **corev1.LifecycleHandler, path string) {
	h := **at
	if h.HTTPGet == nil && h.TCPSocket == nil {
		return
	}
	r.note(c, path, prober{HTTPGet: h.HTTPGet, TCPSocket: h.TCPSocket})
	h.HTTPGet, h.TCPSocket = r.action(h.HTTPGet, path), nil
	*at = &h
}

// note records where a probe went, with the port's number. A probe that goes to
// the agent already, and one to a port name that no port has, are not recorded.
func (r *redirection) note(c *corev1.Container, path string, p prober) {
	switch {
	case p.HTTPGet != nil:
		get := *p.HTTPGet
		if !r.resolve(c, &get.Port) {
			return
		}
		p.HTTPGet, p.TCPSocket, p.GRPC = &get, nil, nil
	case p.TCPSocket != nil:
		socket := *p.TCPSocket
		if !r.resolve(c, &socket.Port) {
			return
		}
		p.TCPSocket, p.GRPC = &socket, nil
	}
	r.records[path] = &p
}

func (r *redirection) resolve(c *corev1.Container, port *intstr.IntOrString) bool {
	byName := port.Type == intstr.String
	n, ok := ResolvePort(c, *port)
	*port = intstr.FromInt32(n)
	return ok && (byName || n != r.port && n != r.meshPort)
}

// action is the HTTP request to the agent. The agent itself speaks HTTPS to the
// application where the probe asked for it.
func (r *redirection) action(was *corev1.HTTPGetAction, path string) *corev1.HTTPGetAction {
	var get corev1.HTTPGetAction
	if was != nil {
		get = *was
	}
	get.Port, get.Path = intstr.FromInt32(r.port), path
	if get.Scheme == corev1.URISchemeHTTPS {
		get.Scheme = corev1.URISchemeHTTP
	}
	return &get
}

// record writes the records to the proxy. Those of an earlier injection win: what
// is a probe's action now may be what that injection made of it. Records that
// cannot be read stay as they are.
func record(agent *corev1.Container, records map[string]*prober, reinvoked bool) {
	if e := LookupEnv(agent, ProbersEnv); reinvoked && e != nil {
		before, err := readRecords(e.Value)
		if err != nil {
			return
		}
		maps.Copy(records, before)
		replaceEnv(agent, ProbersEnv, formatRecords(records))
		return
	}
	AddEnv(agent, ProbersEnv, formatRecords(records))
}

func readRecords(text string) (map[string]*prober, error) {
	out := map[string]*prober{}
	return out, json.Unmarshal([]byte(text), &out)
}

func formatRecords(records map[string]*prober) string {
	text, _ := json.Marshal(records) // cannot fail for these types
	return string(text)
}
