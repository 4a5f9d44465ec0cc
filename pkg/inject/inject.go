package inject

import (
	"context"
	"fmt"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cut"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/patch"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
)

// Inject decides about one pod and, if it is to be injected, says how. It never
// panics and never waits; whatever goes wrong refuses the pod, with a reason. When
// ctx ends before the work is done, the pod is refused with
// [decide.DeadlineExceeded].
func (s *Snapshot) Inject(ctx context.Context, asked Request) (res Result) {
	defer func() {
		if r := recover(); r != nil {
			res = refused(res, panicked(r))
		}
	}()
	r, err := s.receive(ctx, &asked)
	if err != nil {
		return refused(Result{Namespace: cut.Line(asked.Namespace, maxName)}, err)
	}
	res = r.describe()
	r.decide(&res)
	if res.Decision.Outcome != decide.Inject {
		return res
	}
	pod, err := r.run(&res)
	res.Templates = r.templates
	res.Decision.Trace = append(res.Decision.Trace, r.trace...)
	if err != nil {
		return refused(res, r.of(err))
	}
	res.Pod = pod.Pod
	res.Warnings = decide.Limit(append(res.Warnings, r.warnings...))
	return res
}

// run injects a pod that is to be injected, and sets the patch and the warnings.
func (r *request) run(res *Result) (*podmodel.Pod, error) {
	if err := r.decode(); err != nil {
		return nil, err
	}
	pod, err := r.inject()
	if err != nil {
		return nil, err
	}
	if err := r.enter(stepPatch); err != nil {
		return nil, err
	}
	if res.Patch, err = patch.Diff(r.ctx, r.received, pod); err != nil {
		return nil, refuse(decide.MergeError, fmt.Errorf("the result cannot be written as a patch: %w", err))
	}
	if err := r.enter(stepSecurity); err != nil {
		return nil, err
	}
	r.warnings = append(r.warnings, r.securityWarnings(pod.Pod)...)
	return pod, nil
}

// inject returns the injected pod.
func (r *request) inject() (*podmodel.Pod, error) {
	if err := r.prepare(); err != nil {
		return nil, err
	}
	if err := r.enter(stepStrip); err != nil {
		return nil, err
	}
	if r.config.Dialect == config.Classic {
		return r.injectClassic()
	}
	declared := r.declaredPod()
	overlays, err := r.render(r.withoutEarlier(declared))
	if err != nil {
		return nil, err
	}
	pod, template, err := r.merge(declared, overlays)
	if err != nil {
		return nil, err
	}
	if err := r.checkWithheld(pod); err != nil {
		return nil, err
	}
	if err := r.checkOverrides(pod, template); err != nil {
		return nil, err
	}
	if err := r.applyDeclared(pod, template, declared); err != nil {
		return nil, err
	}
	if err := r.finish(pod); err != nil {
		return nil, err
	}
	if err := r.enter(stepRecord); err != nil {
		return nil, err
	}
	r.record(pod, template)
	r.order(pod)
	return pod, nil
}
