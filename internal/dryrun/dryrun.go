// Package dryrun asks an API server whether it would create the sample pods that a
// configuration injects, by server-side dry runs: nothing is stored and no
// container runs. The API server's own validation is complete, and it is that of
// the cluster in which the pods are to run.
//
// Only what the API server finds wrong with a pod is an error of the
// configuration. What admission in the namespace refuses (PodSecurity, quotas,
// other webhooks) says nothing about the namespaces of the users' pods, so such a
// pod counts as not tried.
package dryrun

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/podschema"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

const (
	// maxPods is how many pods are sent, different ones: a configuration of ten
	// templates has some thirty. Each costs the API server a few milliseconds and
	// a call of every webhook of the namespace.
	maxPods = 60
	// maxBytes is what all of them may have: an API server reads 3 MiB of one, and
	// it is no attack on it that is meant.
	maxBytes = 8 << 20
	// callTime is what one call may take: webhooks have 10 s each by default, and
	// an API server has 60 s for all.
	callTime = 30 * time.Second
	// retryEvery is the pause between two questions whether a right has come.
	retryEvery = 250 * time.Millisecond
)

// PodCreator creates pods in one namespace from their JSON, which may have fields
// that no type here knows. Errors are those of k8s.io/apimachinery/pkg/api/errors.
type PodCreator interface {
	CreateJSON(ctx context.Context, pod []byte, opts metav1.CreateOptions) error
}

// Server is the API server, and the namespace, in which pods are tried.
type Server struct {
	Pods      PodCreator
	Namespace string // of Pods
	// Strict makes a field that the API server does not know an error. Else it is a
	// warning: the API server drops the field.
	Strict bool
	// Asked are fields that the configuration asks for although the injector does not
	// know them, such as "spec.containers.someNewField". Other fields that it does not
	// know it has told already.
	Asked []string
	// Patience is how long the right to create pods may be missing: an API server
	// takes a moment to see a role that has just been made.
	Patience time.Duration
}

// Result is what was found.
type Result struct {
	// Errors are what the API server refuses in every usual pod of some templates, each
	// once, and why it could not be asked.
	Errors []error
	// Warnings are what it refuses in some pods, and fields that it drops.
	Warnings []string
	// Skipped says which pods were not tried, and why.
	Skipped []string
	// Tried is how many different pods the API server has judged.
	Tried int
}

// Try has the API server judge each pod. It stops at the first failure that the
// next call would have, too: no right, no API server, no time left.
func (s Server) Try(ctx context.Context, trials []inject.Trial) Result {
	r := &run{Server: s, told: map[string]bool{}}
	sent := 0
	for i, p := range distinct(trials, s.Namespace) {
		sent += len(p.json)
		if i >= maxPods || sent > maxBytes {
			r.Skipped = append(r.Skipped, fmt.Sprintf("the sample pods from %s on were not tried: a dry run sends at most %d pods of %d bytes together", p.what, maxPods, maxBytes))
			break
		}
		if err := r.try(ctx, p); err != nil {
			r.Errors = append(r.Errors, err)
			break
		}
	}
	r.findings.tell(&r.Result)
	r.Skipped = append(r.refusals.sentences(s.Namespace), r.Skipped...)
	return r.Result
}

// run is one Try.
type run struct {
	Server
	Result
	findings findings
	refusals refusals
	told     map[string]bool // of fields that are dropped
}

// try sends one pod. The error is one that ends the run.
func (r *run) try(ctx context.Context, p pod) error {
	var problems []problem
	err := r.create(ctx, p, metav1.FieldValidationStrict)
	fields, unknown := unknownFields(err)
	if unknown {
		problems = r.unknown(p, fields)
		// The fields hide what else is wrong.
		err = r.create(ctx, p, metav1.FieldValidationIgnore)
	}
	a := judge(err)
	switch a.verdict {
	case refused:
		r.refusals.add(p.what, a.reason)
		if len(problems) == 0 {
			return nil
		}
	case unanswered:
		return &CallError{Namespace: r.Namespace, Err: err}
	default:
		r.Tried++
	}
	r.findings.add(p, append(problems, a.problems...))
	return nil
}

// create asks until the right to do so is there, or patience is over.
func (r *run) create(ctx context.Context, p pod, validation string) (err error) {
	asked := func(ctx context.Context) (bool, error) {
		ctx, cancel := context.WithTimeout(ctx, callTime)
		defer cancel()
		err = r.Pods.CreateJSON(ctx, p.json, metav1.CreateOptions{
			DryRun: []string{metav1.DryRunAll}, FieldManager: "sidecar-injector-dry-run", FieldValidation: validation,
		})
		return !noRight(err), nil
	}
	if done, _ := asked(ctx); done || r.Patience <= 0 {
		return err
	}
	patient, cancel := context.WithTimeout(ctx, r.Patience)
	defer cancel()
	var last error
	_ = wait.PollUntilContextCancel(patient, retryEvery, false, func(patient context.Context) (bool, error) {
		done, _ := asked(patient)
		if !done {
			last = err
		}
		return done, nil
	})
	if patient.Err() != nil && ctx.Err() == nil && last != nil {
		return last // what the API server said, not that the time for asking is over
	}
	return err
}

// unknown returns fields that the API server does not know, as far as they are errors,
// and warns of the others.
func (r *run) unknown(p pod, fields []string) (problems []problem) {
	for _, field := range fields {
		plain := withoutIndexes(field)
		asked := slices.Contains(r.Asked, plain)
		switch {
		case !known(plain) && !asked:
		case r.Strict && !asked:
			problems = append(problems, problem{field: field, reason: "the API server does not know this field"})
		case !r.told[plain]:
			r.told[plain] = true
			r.Warnings = append(r.Warnings, fmt.Sprintf("%s: the API server does not know %s and drops it", p.what, field))
		}
	}
	return problems
}

// known reports whether the injector knows a field of a pod.
func known(field string) bool {
	at := podschema.Pod()
	for name := range strings.SplitSeq(field, ".") {
		if at.Elem != nil {
			at = at.Elem
		}
		f := at.Field(name)
		if f == nil {
			return false
		}
		at = f.Type
	}
	return true
}

// refusals are what admission says, and of which pods.
type refusals struct {
	reasons []string
	pods    map[string][]string
}

func (r *refusals) add(pod, reason string) {
	if r.pods == nil {
		r.pods = map[string][]string{}
	}
	if _, seen := r.pods[reason]; !seen {
		r.reasons = append(r.reasons, reason)
	}
	r.pods[reason] = append(r.pods[reason], pod)
}

// sentences has one for each reason.
func (r *refusals) sentences(namespace string) []string {
	var out []string
	for _, reason := range r.reasons {
		pods := r.pods[reason]
		what := pods[0]
		if more := len(pods) - 1; more > 0 {
			what = fmt.Sprintf("%s and %d more", what, more)
		}
		out = append(out, fmt.Sprintf("%s: not tried, because namespace %q does not let in such a pod: %s", what, namespace, strings.TrimSpace(reason)))
	}
	return out
}
