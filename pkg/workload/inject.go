package workload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

// Injector decides about a pod and injects it; [inject.Snapshot] is one.
type Injector interface {
	Inject(context.Context, inject.Request) inject.Result
}

// Uninjector removes an injection from a pod; [inject.Snapshot] is one.
type Uninjector interface {
	UninjectFor(context.Context, inject.Request) (patch []byte, err error)
}

// Format is how documents are written.
type Format string

// The formats.
const (
	Same Format = ""     // each as it was
	YAML Format = "yaml" // all as YAML
	JSON Format = "json" // all as JSON
)

// Options are settings for a stream.
type Options struct {
	// Namespace is the one of workloads that name none.
	Namespace string
	// Format of the output.
	Format Format
	// Trace asks for the steps of each decision.
	Trace bool
}

// Report is the outcome for one workload.
type Report struct {
	// Line of the stream where the workload's document begins, from 1.
	Line int
	// Kind, Namespace and Name identify the workload. The namespace is empty where
	// the manifest names none.
	Kind, Namespace, Name string
	// Result is the engine's answer; zero after [Uninject] and without a pod
	// template.
	Result inject.Result
	// Pod is the pod as the engine saw it, in JSON; nil without a pod template.
	Pod []byte
	// Changed reports whether the workload is written differently than it was read.
	Changed bool
	// Warnings are for the person who wrote the manifest.
	Warnings []string
	// Err is why the workload cannot be injected.
	Err error
}

// String returns kind and name, for messages.
func (r *Report) String() string {
	return fmt.Sprintf("%s %q", r.Kind, r.fullName())
}

func (r *Report) fullName() string {
	if r.Namespace == "" {
		return r.Name
	}
	return r.Namespace + "/" + r.Name
}

// Inject reads manifests, injects the pods in them and writes the manifests. It
// reports on every workload in the order of the stream. When anything is wrong
// nothing is written, and the error, which joins all there are, names documents
// by the line where they begin.
func Inject(ctx context.Context, engine Injector, in io.Reader, out io.Writer, o Options) ([]Report, error) {
	return run(in, out, o, func(u *unit, r *Report) ([]byte, error) { return u.inject(ctx, engine, o, r) })
}

// Uninject is [Inject] with injections removed instead of made.
func Uninject(ctx context.Context, engine Uninjector, in io.Reader, out io.Writer, o Options) ([]Report, error) {
	return run(in, out, o, func(u *unit, r *Report) ([]byte, error) {
		req, err := u.request(o, r)
		if err != nil {
			return nil, err
		}
		return engine.UninjectFor(ctx, req)
	})
}

// run calls change for each unit of a stream and applies the patch that it returns
// to the unit's pod.
func run(in io.Reader, out io.Writer, o Options, change func(*unit, *Report) ([]byte, error)) ([]Report, error) {
	documents, err := split(in)
	if err != nil {
		return nil, err
	}
	var reports []Report
	var errs []error
	var b bytes.Buffer
	w := writer{out: &b, format: o.Format}
	for _, d := range documents {
		m, err := d.read()
		if err != nil {
			errs = append(errs, fmt.Errorf("document at line %d: %w", d.line, err))
			continue
		}
		for _, u := range m.units {
			r, err := u.handle(d.line, change)
			if r.Err = err; err != nil {
				errs = append(errs, fmt.Errorf("document at line %d: %s: %w", d.line, &r, err))
			}
			m.changed = m.changed || r.Changed
			reports = append(reports, r)
		}
		if err := w.write(m); err != nil {
			errs = append(errs, fmt.Errorf("document at line %d: %w", d.line, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return reports, err
	}
	_, err = out.Write(b.Bytes())
	return reports, err
}

func (u *unit) handle(line int, change func(*unit, *Report) ([]byte, error)) (Report, error) {
	r := Report{Line: line, Kind: u.kind}
	meta, err := u.meta()
	r.Namespace, r.Name = meta.Namespace, meta.Name
	if r.Name == "" {
		r.Name = meta.GenerateName
	}
	if err != nil {
		return r, err
	}
	if u.problem != "" {
		r.Warnings = append(r.Warnings, fmt.Sprintf("%s is left as it is: %s", &r, u.problem))
		return r, nil
	}
	if r.Pod, err = u.pod(); err != nil {
		return r, err
	}
	patch, err := change(u, &r)
	if err != nil || patch == nil {
		return r, err
	}
	r.Changed = true
	return r, u.apply(r.Pod, patch)
}

// request returns the engine's request for the pod.
func (u *unit) request(o Options, r *Report) (inject.Request, error) {
	meta, err := u.meta()
	namespace := r.Namespace
	if namespace == "" {
		namespace = o.Namespace
	}
	return inject.Request{Object: r.Pod, Namespace: namespace, Owner: u.owner(meta), Trace: o.Trace}, err
}

func (u *unit) inject(ctx context.Context, engine Injector, o Options, r *Report) ([]byte, error) {
	req, err := u.request(o, r)
	if err != nil {
		return nil, err
	}
	r.Result = engine.Inject(ctx, req)
	d := r.Result.Decision
	if d.Outcome == decide.Skip {
		r.Warnings = append(r.Warnings, r.skipped(d))
	}
	for _, w := range r.Result.Warnings {
		r.Warnings = append(r.Warnings, fmt.Sprintf("%s: %s", r, w))
	}
	r.Warnings = append(r.Warnings, u.misplaced(r)...)
	if d.Outcome == decide.Refuse {
		return nil, errors.New(d.Message)
	}
	return r.Result.Patch, nil
}

// skipped returns the warning about a workload that is not injected. Scripts around
// the reference's command look for its first half.
func (r *Report) skipped(d decide.Decision) string {
	why := "has sidecar injection disabled"
	if d.Code == decide.HostNetwork {
		why = "has host networking enabled"
	}
	return fmt.Sprintf("Skipping injection because %s %s: %s (%s)", r, why, d.Message, d.Code)
}

// misplaced warns about a label or annotation that asks for or against injection on
// an object where nobody reads it.
func (u *unit) misplaced(r *Report) []string {
	if len(u.pods.template) == 0 {
		return nil
	}
	read, _ := lookup(u.data, u.pods.metadata)
	if at := injectKeyOn(read); at != "" {
		return nil
	}
	above := []map[string]any{u.data}
	if job, ok := lookup(u.data, u.pods.fallback); ok && u.pods.fallback != nil {
		above = append(above, job)
	}
	for _, holder := range above {
		if at := injectKeyOn(holder); at != "" {
			return []string{fmt.Sprintf("%s: the %s %s on the %s has no effect; put it on the pod template", r, at, decide.InjectKey, r.Kind)}
		}
	}
	return nil
}

// injectKeyOn returns whether an object has the label or the annotation that asks
// for or against injection: "label", "annotation" or "".
func injectKeyOn(holder map[string]any) string {
	metadata, _ := holder["metadata"].(map[string]any)
	for name, word := range map[string]string{"labels": "label", "annotations": "annotation"} {
		if entries, _ := metadata[name].(map[string]any); entries[decide.InjectKey] != nil {
			return word
		}
	}
	return ""
}
