package post

import (
	"encoding/json"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const (
	// ProbersEnv tells the proxy's agent what the application's probes were.
	ProbersEnv = "ISTIO_KUBE_APP_PROBERS"
	// RewriteProbersKey switches the rewriting of probes for one pod.
	RewriteProbersKey = "sidecar.istio.io/rewriteAppHTTPProbers"
	// StatusPortKey is the agent's status port for one pod.
	StatusPortKey = "status.sidecar.istio.io/port"
)

// Prober is the record of one probe or hook.
type Prober struct {
	HTTPGet        *corev1.HTTPGetAction   `json:"httpGet,omitempty"`
	TCPSocket      *corev1.TCPSocketAction `json:"tcpSocket,omitempty"`
	GRPC           *corev1.GRPCAction      `json:"grpc,omitempty"`
	TimeoutSeconds int32                   `json:"timeoutSeconds,omitempty"`
}

// Probes are the settings of the step.
type Probes struct {
	// Rewrite is the setting of the values; the pod's annotation goes before it.
	Rewrite bool
	// StatusPort is the mesh's; the pod's annotation goes before it.
	StatusPort int32
}

// RewriteProbes redirects the application's probes and hooks to the proxy's
// agent, because the kubelet has no certificate and could not reach them
// through the proxy, and tells the agent what they were. again says that the
// pod has been injected before: records are then added to those it has.
func RewriteProbes(pod *corev1.Pod, p Probes, again bool) {
	proxy := FindAnywhere(&pod.Spec, Proxy)
	if proxy == nil || !rewrites(pod.Annotations, p.Rewrite) {
		return
	}
	port := StatusPort(pod.Annotations, p.StatusPort)
	// Port 0 switches the agent's status server off; nobody would answer.
	if port == 0 {
		return
	}
	r := &rewriter{port: port, meshPort: p.StatusPort, records: map[string]*Prober{}}
	r.containers(pod.Spec.InitContainers)
	r.containers(pod.Spec.Containers)
	if len(r.records) > 0 {
		record(proxy, r.records, again)
	}
}

func rewrites(annotations map[string]string, setting bool) bool {
	if v, err := strconv.ParseBool(annotations[RewriteProbersKey]); err == nil {
		return v
	}
	return setting
}

// StatusPort returns the agent's status port for one pod.
func StatusPort(annotations map[string]string, mesh int32) int32 {
	if n, err := strconv.ParseUint(annotations[StatusPortKey], 10, 16); err == nil {
		return int32(n)
	}
	return mesh
}

type rewriter struct {
	port, meshPort int32
	records        map[string]*Prober
}

func (r *rewriter) containers(list []corev1.Container) {
	for i := range list {
		if c := &list[i]; c.Name != Proxy {
			r.container(c)
		}
	}
}

func (r *rewriter) container(c *corev1.Container) {
	r.probe(c, &c.ReadinessProbe, healthPath(c.Name, "readyz"))
	r.probe(c, &c.LivenessProbe, healthPath(c.Name, "livez"))
	r.probe(c, &c.StartupProbe, healthPath(c.Name, "startupz"))
	if c.Lifecycle == nil {
		return
	}
	hooks := *c.Lifecycle
	r.hook(c, &hooks.PreStop, lifecyclePath(c.Name, "prestopz"))
	r.hook(c, &hooks.PostStart, lifecyclePath(c.Name, "poststartz"))
	if hooks != *c.Lifecycle {
		c.Lifecycle = &hooks
	}
}

func healthPath(container, what string) string    { return "/app-health/" + container + "/" + what }
func lifecyclePath(container, what string) string { return "/app-lifecycle/" + container + "/" + what }

func (r *rewriter) probe(c *corev1.Container, at **corev1.Probe, path string) {
	if *at == nil || (*at).HTTPGet == nil && (*at).TCPSocket == nil && (*at).GRPC == nil {
		return
	}
	p := **at
	r.note(c, path, &Prober{p.HTTPGet, p.TCPSocket, p.GRPC, p.TimeoutSeconds})
	p.HTTPGet, p.TCPSocket, p.GRPC = r.action(p.HTTPGet, path), nil, nil
	*at = &p
}

func (r *rewriter) hook(c *corev1.Container, at **corev1.LifecycleHandler, path string) {
	if *at == nil || (*at).HTTPGet == nil && (*at).TCPSocket == nil {
		return
	}
	h := **at
	r.note(c, path, &Prober{HTTPGet: h.HTTPGet, TCPSocket: h.TCPSocket})
	h.HTTPGet, h.TCPSocket = r.action(h.HTTPGet, path), nil
	*at = &h
}

// note records where a probe went, with its port as a number. A probe that goes
// to the agent already, and one to a port name that no port has, are not
// recorded.
func (r *rewriter) note(c *corev1.Container, path string, p *Prober) {
	switch {
	case p.HTTPGet != nil:
		get := *p.HTTPGet
		if !r.resolve(c, &get.Port) {
			return
		}
		p = &Prober{HTTPGet: &get, TimeoutSeconds: p.TimeoutSeconds}
	case p.TCPSocket != nil:
		socket := *p.TCPSocket
		if !r.resolve(c, &socket.Port) {
			return
		}
		p = &Prober{TCPSocket: &socket, TimeoutSeconds: p.TimeoutSeconds}
	}
	r.records[path] = p
}

func (r *rewriter) resolve(c *corev1.Container, port *intstr.IntOrString) bool {
	if port.Type == intstr.Int {
		return port.IntVal != r.port && port.IntVal != r.meshPort
	}
	for _, p := range c.Ports {
		if p.Name != "" && p.Name == port.StrVal {
			*port = intstr.FromInt32(p.ContainerPort)
			return true
		}
	}
	return false
}

// action is the HTTP request that the kubelet sends instead. The agent itself
// speaks HTTPS to the application where the probe asked for it.
func (r *rewriter) action(was *corev1.HTTPGetAction, path string) *corev1.HTTPGetAction {
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

// record writes the records to the proxy. Those of an earlier injection win:
// what looks like a probe now may be what that injection made of it.
func record(proxy *corev1.Container, records map[string]*Prober, again bool) {
	if e := lookupEnv(proxy, ProbersEnv); again && e != nil {
		before, err := readProbers(e.Value)
		if err != nil {
			return
		}
		for path, p := range before {
			records[path] = p
		}
		replaceEnv(proxy, ProbersEnv, probersText(records))
		return
	}
	addEnv(proxy, ProbersEnv, probersText(records))
}

func readProbers(text string) (map[string]*Prober, error) {
	out := map[string]*Prober{}
	return out, json.Unmarshal([]byte(text), &out)
}

func probersText(records map[string]*Prober) string {
	// These types always marshal.
	text, _ := json.Marshal(records)
	return string(text)
}

// replaceEnv sets the value of a variable that is there, in a list that may be
// shared.
func replaceEnv(c *corev1.Container, name, value string) {
	list := make([]corev1.EnvVar, len(c.Env))
	copy(list, c.Env)
	c.Env = list
	*lookupEnv(c, name) = corev1.EnvVar{Name: name, Value: value}
}
