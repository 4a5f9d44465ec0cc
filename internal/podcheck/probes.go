package podcheck

import (
	"reflect"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
)

// defaultGraceSeconds is what a pod has that does not say otherwise.
const defaultGraceSeconds = corev1.DefaultTerminationGracePeriodSeconds

// running checks what only a container has that goes on running.
func (c *check) running(p path, ctr *corev1.Container) {
	c.probe(p.child("livenessProbe"), ctr.LivenessProbe, true)
	c.probe(p.child("startupProbe"), ctr.StartupProbe, true)
	c.probe(p.child("readinessProbe"), ctr.ReadinessProbe, false)
	if r := ctr.ReadinessProbe; r != nil && r.TerminationGracePeriodSeconds != nil {
		c.add(p.child("readinessProbe.terminationGracePeriodSeconds"), *r.TerminationGracePeriodSeconds, "may not be set for a readiness probe")
	}
	if l := ctr.Lifecycle; l != nil {
		c.lifecycle(p.child("lifecycle.postStart"), l.PostStart)
		c.lifecycle(p.child("lifecycle.preStop"), l.PreStop)
	}
}

// probe checks a probe. One success must be enough for those that end a container.
func (c *check) probe(p path, probe *corev1.Probe, once bool) {
	if probe == nil {
		return
	}
	if c.oneHandler(p, &probe.ProbeHandler, "exec, httpGet, tcpSocket and grpc") {
		c.exec(p.child("exec"), probe.Exec)
		c.httpGet(p.child("httpGet"), probe.HTTPGet)
		if probe.TCPSocket != nil {
			c.port(p.child("tcpSocket.port"), probe.TCPSocket.Port)
		}
		if probe.GRPC != nil {
			c.port(p.child("grpc.port"), intstr.FromInt32(probe.GRPC.Port))
		}
	}
	for _, n := range []struct {
		name  string
		value int32
	}{
		{"initialDelaySeconds", probe.InitialDelaySeconds},
		{"timeoutSeconds", probe.TimeoutSeconds},
		{"periodSeconds", probe.PeriodSeconds},
		{"successThreshold", probe.SuccessThreshold},
		{"failureThreshold", probe.FailureThreshold},
	} {
		if n.value < 0 {
			c.add(p.child(n.name), n.value, "must not be negative")
		}
	}
	if once && probe.SuccessThreshold > 1 {
		c.add(p.child("successThreshold"), probe.SuccessThreshold, "must be 1 for liveness and startup probes")
	}
	if g := probe.TerminationGracePeriodSeconds; g != nil && *g <= 0 {
		c.add(p.child("terminationGracePeriodSeconds"), *g, "must be more than 0")
	}
}

// oneHandler reports whether a handler says one thing to do, and what is wrong where it
// does not.
func (c *check) oneHandler(p path, handler any, allowed string) bool {
	switch names, _ := sources(reflect.ValueOf(handler).Elem()); {
	case len(names) == 0:
		c.add(p, nil, "says nothing to do: must have one of %s", allowed)
		return false
	case len(names) > 1:
		c.add(p, strings.Join(names, ", "), "says more than one thing to do: must have one of %s", allowed)
		return false
	}
	return true
}

func (c *check) lifecycle(p path, h *corev1.LifecycleHandler) {
	if h == nil || !c.oneHandler(p, h, "exec, httpGet, tcpSocket and sleep") {
		return
	}
	c.exec(p.child("exec"), h.Exec)
	c.httpGet(p.child("httpGet"), h.HTTPGet)
	if h.TCPSocket != nil {
		c.port(p.child("tcpSocket.port"), h.TCPSocket.Port)
	}
	if h.Sleep != nil {
		grace := int64(defaultGraceSeconds)
		if g := c.pod.Spec.TerminationGracePeriodSeconds; g != nil {
			grace = max(*g, 1)
		}
		c.inRange(p.child("sleep.seconds"), h.Sleep.Seconds, 0, grace)
	}
}

func (c *check) exec(p path, e *corev1.ExecAction) {
	if e != nil && len(e.Command) == 0 {
		c.add(p.child("command"), nil, "is required")
	}
}

func (c *check) httpGet(p path, h *corev1.HTTPGetAction) {
	if h == nil {
		return
	}
	c.port(p.child("port"), h.Port)
	oneOf(c, p.child("scheme"), h.Scheme, corev1.URISchemeHTTP, corev1.URISchemeHTTPS)
	for i, header := range h.HTTPHeaders {
		c.all(p.child("httpHeaders").item(i, header.Name).child("name"), header.Name, validation.IsHTTPHeaderName(header.Name))
	}
}

func (c *check) port(p path, port intstr.IntOrString) {
	if port.Type == intstr.Int {
		c.inRange(p, int64(port.IntVal), 1, 65535)
		return
	}
	c.all(p, port.StrVal, validation.IsValidPortName(port.StrVal))
}
