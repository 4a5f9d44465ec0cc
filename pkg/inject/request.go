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

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cut"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/quantity"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/annotations"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/render"
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
	budget
	asked *Request
	// received is the pod as it came. It is never written to. Until decode has been
	// called, it is no more than the outline where there is one.
	received  *podmodel.Pod
	outline   *podmodel.Outline
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

	// observer is set for the trial of a configuration.
	observer *observer

	// work is what the templates have used of their limits.
	work render.Work

	warnings []string
	trace    []decide.Step
}

// receive reads of the pod what is needed to decide about it: all of it, or, where
// that could take much memory, its outline.
func (s *Snapshot) receive(ctx context.Context, asked *Request) (*request, error) {
	r := &request{Snapshot: s, asked: asked, budget: budget{ctx: ctx, begin: s.now()}}
	err := r.enter(stepDecode)
	if err != nil {
		return nil, err
	}
	var pod *podmodel.Pod
	if large(asked.Object) {
		err = r.readOutline()
	} else if pod, err = podmodel.Decode(ctx, asked.Object); quantity.IsLimit(err) {
		err = r.readOutline()
	}
	if err != nil {
		return nil, r.of(r.unreadable(err))
	}
	if r.outline != nil {
		pod = &podmodel.Pod{Pod: r.outline.Pod}
	}
	// JSON decodes null to anything.
	if bytes.Equal(bytes.TrimSpace(asked.Object), []byte("null")) {
		return nil, refuse(decide.PodInvalid, errors.New("the object is not a pod: it is null"))
	}
	if pod.Kind != "" && pod.Kind != "Pod" {
		return nil, refuse(decide.BadRequest, fmt.Errorf("the object is a %s, must be a Pod; check the rules of the webhook configuration", cut.Quote(pod.Kind, shownValue)))
	}
	r.about(pod)
	return r, r.enter(stepDecide)
}

// readOutline reads the pod's outline.
func (r *request) readOutline() (err error) {
	r.outline, err = podmodel.ReadOutline(r.ctx, r.asked.Object, r.rules.Reads)
	return err
}

// unreadable says why an object cannot be read.
func (r *request) unreadable(err error) error {
	switch {
	case r.ctx.Err() != nil:
		return r.over()
	case !json.Valid(r.asked.Object):
		return refuse(decide.BadRequest, fmt.Errorf("the object is not JSON: %w", err))
	}
	return refuse(decide.PodInvalid, fmt.Errorf("the object is not a pod: %w", err))
}

// about sets the pod that the request is about, and what follows from it.
func (r *request) about(pod *podmodel.Pod) {
	r.received, r.namespace = pod, orElse(pod.Namespace, r.asked.Namespace)
	r.owner = r.workload()
}

// newRequest returns the request about a pod that has been read.
func (s *Snapshot) newRequest(ctx context.Context, asked *Request, pod *podmodel.Pod) *request {
	r := &request{Snapshot: s, asked: asked, budget: budget{ctx: ctx, begin: s.now()}}
	r.about(pod)
	return r
}

// decode reads the pod of which only the outline is known, and refuses one that holds
// too much, before it takes memory if it takes much.
func (r *request) decode() error {
	if err := r.enter(stepDecode); err != nil {
		return err
	}
	if r.outline == nil {
		counts := podmodel.CountsOf(r.received.Pod)
		if r.received.Unknown != nil {
			// These may be nested.
			if err := r.readOutline(); err != nil {
				return r.unreadable(err)
			}
			counts = r.outline.Counts
		}
		return checkCounts(&counts)
	}
	size := bound{"bytes of JSON", len(r.asked.Object), maxObject, useConfigMap}
	if err := size.check(); err != nil {
		return err
	}
	if err := checkCounts(&r.outline.Counts); err != nil {
		return err
	}
	if r.outline.Quantity != nil {
		return refuse(decide.LimitExceeded, r.outline.Quantity)
	}
	pod, err := podmodel.Decode(r.ctx, r.asked.Object)
	if quantity.IsLimit(err) {
		return refuse(decide.LimitExceeded, err)
	}
	if err != nil {
		return r.unreadable(err)
	}
	r.about(pod)
	return nil
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
	owner := *r.owner
	for _, name := range []*string{&owner.TypeMeta.Kind, &owner.TypeMeta.APIVersion, &owner.ObjectMeta.Name, &owner.ObjectMeta.Namespace} {
		*name = cut.Line(*name, maxName)
	}
	return Result{
		Namespace: cut.Line(r.namespace, maxName),
		Name:      cut.Line(orElse(r.received.Name, r.received.GenerateName), maxName),
		Workload:  owner,
	}
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
	if err := r.enter(stepPrepare); err != nil {
		return err
	}
	all := r.received.Annotations
	if err := r.checkAnnotations(); err != nil {
		return err
	}
	if r.earlier, r.reinvoked = status.Read(all); r.earlier.Len() > maxRecorded {
		return refuse(decide.LimitExceeded, fmt.Errorf("annotation %s names %d containers, volumes and secrets, at most %d are read: remove it, the injector writes it anew", status.Key, r.earlier.Len(), maxRecorded))
	}
	if err := r.withholdAnnotations(); err != nil {
		return err
	}
	if err := annotations.Check(all); err != nil {
		return r.refuseAnnotation(err)
	}
	if r.config.Dialect == config.Classic {
		r.templates = r.config.DefaultTemplates
		r.noteEarlier()
		return nil
	}
	all = r.withoutWithheld(r.received).Annotations
	if r.observer != nil && r.observer.templates != nil {
		r.templates = r.observer.templates
	} else if r.templates, err = r.selectTemplates(all); err != nil {
		return err
	}
	r.noteTemplates()
	if r.proxyConfig, err = r.proxyConfigOf(all); err != nil {
		return r.refuseAnnotation(err)
	}
	if r.saved, err = status.ReadOverrides(r.ctx, all, status.Most{Containers: maxOverrides, Values: maxOverrideValues}); err != nil {
		return r.refuseAnnotation(err)
	}
	r.noteEarlier()
	return nil
}

// refuseAnnotation refuses a pod because of an annotation that cannot be read.
func (r *request) refuseAnnotation(err error) error {
	var config *config.LimitError
	var overrides *status.LimitError
	if quantity.IsLimit(err) || errors.As(err, &config) || errors.As(err, &overrides) {
		return refuse(decide.LimitExceeded, err)
	}
	return refuse(decide.InvalidAnnotation, err)
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
	if wanted := all[templatesKey]; wanted != "" {
		if err := checkTemplates(out); err != nil {
			return nil, err
		}
	}
	for _, name := range out {
		if _, ok := s.templates[name]; !ok {
			known := append(s.TemplateNames(), slices.Sorted(maps.Keys(s.config.Aliases))...)
			return nil, refuse(decide.UnknownTemplate, fmt.Errorf("%s: there is no template named %s; known are %s", from, cut.Quote(name, shownValue), strings.Join(known, ", ")))
		}
	}
	return out, nil
}
