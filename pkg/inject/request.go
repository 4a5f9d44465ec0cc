package inject

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	meshconfig "istio.io/api/mesh/v1alpha1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/annotations"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/status"
)

const (
	// templatesKey is the annotation that names the templates for one pod, comma
	// separated.
	templatesKey = "inject.istio.io/templates"
	// proxyConfigKey is the annotation that overlays the mesh's proxy configuration
	// for one pod.
	proxyConfigKey = "proxy.istio.io/config"
)

// request is one pod on its way through the engine, with what the steps need to
// know besides the pod as it has become.
type request struct {
	*Snapshot
	// ctx ends when the time for the request is over, or its caller has gone.
	ctx   context.Context
	asked *Request
	// received is the pod as it came. It is never written to.
	received  *podmodel.Pod
	namespace string
	owner     *Owner

	// templates names the templates to render, aliases replaced.
	templates   []string
	proxyConfig *meshconfig.ProxyConfig
	// earlier is what an earlier injection has noted on the pod; reinvoked is set
	// when there was one.
	earlier   status.Status
	reinvoked bool
	// saved are the user's versions of containers that an earlier injection has
	// noted on the pod.
	saved status.Overrides

	// withheld names annotations that the templates must not see, see
	// withholdAnnotations.
	withheld []string

	warnings []string
	trace    []decide.Step
}

// decode reads the pod.
func (s *Snapshot) decode(ctx context.Context, asked *Request) (*request, error) {
	pod, err := podmodel.Decode(asked.Object)
	if err != nil {
		if !json.Valid(asked.Object) {
			return nil, refuse(decide.BadRequest, fmt.Errorf("the object is not JSON: %w", err))
		}
		return nil, refuse(decide.PodInvalid, fmt.Errorf("the object is not a pod: %w", err))
	}
	// JSON decodes null to anything.
	if bytes.Equal(bytes.TrimSpace(asked.Object), []byte("null")) {
		return nil, refuse(decide.PodInvalid, errors.New("the object is not a pod: it is null"))
	}
	if pod.Kind != "" && pod.Kind != "Pod" {
		return nil, refuse(decide.BadRequest, fmt.Errorf("the object is a %.60q, must be a Pod; check the rules of the webhook configuration", pod.Kind))
	}
	return s.newRequest(ctx, asked, pod), nil
}

func (s *Snapshot) newRequest(ctx context.Context, asked *Request, pod *podmodel.Pod) *request {
	r := &request{Snapshot: s, ctx: ctx, asked: asked, received: pod, namespace: orElse(pod.Namespace, asked.Namespace)}
	r.owner = r.workload()
	return r
}

// workload returns the workload behind the pod.
func (r *request) workload() *Owner {
	pod := r.received
	switch {
	case r.asked.Owner != nil:
		return r.asked.Owner
	case r.config.Dialect == config.Classic:
		o := &Owner{ObjectMeta: pod.ObjectMeta}
		o.TypeMeta.Kind, o.TypeMeta.APIVersion = "Pod", "v1"
		o.ObjectMeta.Namespace = r.namespace
		return o
	}
	o := ownerOf(pod.Pod, r.namespace)
	return &o
}

// describe returns a result that says whom it is about.
func (r *request) describe() Result {
	return Result{Namespace: r.namespace, Name: orElse(r.received.Name, r.received.GenerateName), Workload: *r.owner}
}

func (r *request) decide(res *Result) {
	pod := r.received
	in := decide.Input{
		Namespace:   r.namespace,
		HostNetwork: pod.Spec.HostNetwork,
		Labels:      pod.Labels,
		Annotations: pod.Annotations,
		Trace:       r.asked.Trace,
	}
	res.Decision = decide.Pod(r.rules, in)
	res.Warnings = decide.Warnings(r.rules, in, res.Decision)
}

// prepare reads what the pod's annotations say about its injection.
func (r *request) prepare() (err error) {
	all := r.received.Annotations
	r.earlier, r.reinvoked = status.Read(all)
	if err := r.withholdAnnotations(); err != nil {
		return err
	}
	if err := annotations.Check(all); err != nil {
		return refuse(decide.InvalidAnnotation, err)
	}
	if r.config.Dialect == config.Classic {
		r.templates = r.config.DefaultTemplates
		r.noteEarlier()
		return nil
	}
	all = r.withoutWithheld(r.received).Annotations
	if r.templates, err = r.selectTemplates(all); err != nil {
		return err
	}
	r.noteTemplates()
	if r.proxyConfig, err = r.proxyConfigOf(all); err != nil {
		return refuse(decide.InvalidAnnotation, err)
	}
	if r.saved, err = status.ReadOverrides(all); err != nil {
		return refuse(decide.InvalidAnnotation, err)
	}
	r.noteEarlier()
	return nil
}

// selectTemplates returns the templates for one pod, aliases replaced.
func (s *Snapshot) selectTemplates(all map[string]string) ([]string, error) {
	wanted, from := s.config.DefaultTemplates, "defaultTemplates"
	if list, ok := all[templatesKey]; ok {
		wanted, from = strings.Split(list, ","), "annotation "+templatesKey
	}
	out := make([]string, 0, len(wanted))
	for _, name := range wanted {
		name = strings.TrimSpace(name)
		if list, ok := s.config.Aliases[name]; ok {
			out = append(out, list...)
		} else {
			out = append(out, name)
		}
	}
	for _, name := range out {
		if _, ok := s.templates[name]; !ok {
			known := append(s.TemplateNames(), slices.Sorted(maps.Keys(s.config.Aliases))...)
			return nil, refuse(decide.UnknownTemplate, fmt.Errorf("%s: there is no template named %.60q; known are %s", from, name, strings.Join(known, ", ")))
		}
	}
	return out, nil
}
