package inject

import (
	"errors"
	"fmt"
	"runtime/debug"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
)

// proxyConfigKey overlays the mesh's proxy configuration for one pod.
const proxyConfigKey = "proxy.istio.io/config"

// refusal is an error with the code that it is reported under.
type refusal struct {
	code decide.Code
	err  error
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

func refuse(code decide.Code, err error) error {
	if err == nil {
		return nil
	}
	return &refusal{code, err}
}

// Inject decides about one pod and, if it is to be injected, says how. It never
// panics and never waits; whatever goes wrong refuses the pod, with a reason.
func (s *Snapshot) Inject(req Request) (res Result) {
	defer func() {
		if r := recover(); r != nil {
			res = refused(res, &refusal{decide.Internal, &PanicError{r, debug.Stack()}})
		}
	}()
	object, err := decode(req.Object)
	if err != nil {
		return refused(Result{Namespace: req.Namespace}, err)
	}
	pod := object.pod
	res = s.describe(pod, &req)
	in := decide.Input{
		Namespace:   res.Namespace,
		HostNetwork: pod.Spec.HostNetwork,
		Labels:      pod.Labels,
		Annotations: pod.Annotations,
		Trace:       req.Trace,
	}
	res.Decision = decide.Pod(s.rules, in)
	res.Warnings = decide.Warnings(s.rules, in, res.Decision)
	if res.Decision.Outcome != decide.Inject {
		return res
	}
	w := &work{s: s, req: &req, original: pod, namespace: res.Namespace, owner: &res.Workload}
	injected, err := w.run()
	res.Templates = w.names
	res.Decision.Trace = append(res.Decision.Trace, w.steps...)
	if err != nil {
		return refused(res, err)
	}
	if res.Patch, err = object.diff(injected, w.extras...); err != nil {
		return refused(res, refuse(decide.MergeError, fmt.Errorf("the result cannot be written as a patch: %w", err)))
	}
	res.Pod = injected
	res.Warnings = append(append(res.Warnings, w.warnings...), s.securityWarnings(pod, injected, res.Namespace)...)
	res.Warnings = decide.Limit(res.Warnings)
	return res
}

// PanicError is a bug of ours. Error says what happened; the stack is for the
// log.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string {
	return fmt.Sprintf("internal error, please report it with the pod's manifest: %v", e.Value)
}

// describe says whom the result is about.
func (s *Snapshot) describe(pod *corev1.Pod, req *Request) Result {
	res := Result{Namespace: orElse(pod.Namespace, req.Namespace), Name: orElse(pod.Name, pod.GenerateName)}
	switch {
	case req.Owner != nil:
		res.Workload = *req.Owner
	case s.config.Dialect == config.Classic:
		res.Workload = Owner{ObjectMeta: pod.ObjectMeta}
		res.Workload.TypeMeta.Kind, res.Workload.TypeMeta.APIVersion = "Pod", "v1"
		res.Workload.ObjectMeta.Namespace = res.Namespace
	default:
		res.Workload = ownerOf(pod, res.Namespace)
	}
	return res
}

// refused turns a result into a refusal. What led to the decision so far stays
// in the trace.
func refused(res Result, err error) Result {
	code := decide.Internal
	var r *refusal
	if errors.As(err, &r) {
		code = r.code
	}
	trace := res.Decision.Trace
	if trace != nil {
		trace = append(trace, decide.Step{Check: string(code), Detail: err.Error()})
	}
	res.Decision = decide.Decision{Code: code, Outcome: decide.Refuse, Message: err.Error(), Trace: trace}
	res.Err = err
	res.Patch, res.Pod = nil, nil
	return res
}
