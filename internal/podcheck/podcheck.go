// Package podcheck knows what an API server refuses in a pod, by the rules that
// Kubernetes has for every cluster: functions of k8s.io/apimachinery where there are
// any, else the conditions of validation.go in k8s.io/kubernetes/pkg/apis/core/validation,
// which a server cannot link.
//
// It never refuses what an API server accepts; TestAgainstAPIServer asks one. So it
// leaves out what depends on a cluster's settings, and where newer versions accept more
// than older ones, it has the newer rule. It knows nothing of fields that the Go types do
// not have: where there is one, what is said about the object that holds it may be wrong.
package podcheck

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Problem is one thing for which a pod is refused.
type Problem struct {
	// Path is where: spec.containers[app].image. Elements of lists are named where they
	// have a name, else numbered.
	Path string
	// Place is Path without names: spec.containers[0].image.
	Place string
	// Value is what stands there, where there is a text or a number.
	Value string
	// Text says what is wrong, without the value.
	Text string
}

// problemsOf returns what an API server refuses in a pod that is to be created.
func problemsOf(pod *corev1.Pod) []Problem {
	c := &check{pod: pod}
	c.meta()
	c.spec()
	c.volumes()
	c.containers()
	return c.found
}

// Added returns the problems of a pod that it had not before.
func Added(before, after *corev1.Pod) []Problem {
	return without(problemsOf(after), problemsOf(before))
}

// AddedImages is Added for images that no kubelet can read.
func AddedImages(before, after *corev1.Pod) []Problem {
	return without(unreadable(after), unreadable(before))
}

// without returns the problems that are not among others. The place of one in a list
// may have changed.
func without(problems, others []Problem) []Problem {
	return slices.DeleteFunc(problems, func(p Problem) bool {
		return slices.ContainsFunc(others, func(o Problem) bool {
			return o.Path == p.Path && o.Value == p.Value && o.Text == p.Text
		})
	})
}

type check struct {
	pod   *corev1.Pod
	found []Problem
	// mountable are the volumes that nothing is wrong with.
	mountable map[string]bool
}

// path is where a field stands, with names of elements and with numbers.
type path struct{ named, numbered string }

func at(name string) path { return path{name, name} }

func (p path) child(name string) path { return path{p.named + "." + name, p.numbered + "." + name} }

// item is an element of a list.
func (p path) item(i int, name string) path {
	number := "[" + strconv.Itoa(i) + "]"
	if name == "" {
		return path{p.named + number, p.numbered + number}
	}
	return path{p.named + "[" + name + "]", p.numbered + number}
}

// key is an element of a map.
func (p path) key(name string) path { return path{p.named + "[" + name + "]", p.numbered} }

// add adds a problem with a value; nil where there is none to show.
func (c *check) add(p path, value any, format string, args ...any) {
	problem := Problem{Path: p.named, Place: p.numbered, Text: fmt.Sprintf(format, args...)}
	// What follows repeats the rule as a regular expression.
	problem.Text, _, _ = strings.Cut(problem.Text, " (e.g. ")
	if value != nil {
		problem.Value = fmt.Sprint(value)
	}
	c.found = append(c.found, problem)
}

// required reports a field that is empty.
func (c *check) required(p path, value string) {
	if value == "" {
		c.add(p, nil, "is required")
	}
}

// all adds the messages that a function of apimachinery has about a value.
func (c *check) all(p path, value any, messages []string) {
	for _, m := range messages {
		c.add(p, value, "%s", m)
	}
}

// oneOf reports a value that is not one of those that there are. Empty is for a
// default.
func oneOf[T ~string](c *check, p path, value T, allowed ...T) {
	if value != "" && !slices.Contains(allowed, value) {
		c.add(p, value, "must be one of %q", allowed)
	}
}

// inRange reports a number that is out of bounds.
func (c *check) inRange(p path, value, low, high int64) {
	if value < low || value > high {
		c.add(p, value, "must be from %d to %d", low, high)
	}
}

// meta checks labels and annotations.
func (c *check) meta() {
	add := func(p path, errs field.ErrorList) {
		for _, e := range errs {
			text := e.Detail
			if e.Type == field.ErrorTypeTooLong || text == "" {
				text = e.ErrorBody()
			}
			c.add(p, e.BadValue, "%s", text)
		}
	}
	none := field.NewPath("")
	for key, value := range c.pod.Labels {
		add(at("metadata.labels").key(key), metavalidation.ValidateLabels(map[string]string{key: value}, none))
	}
	for key := range c.pod.Annotations {
		// Their sizes count together.
		add(at("metadata.annotations").key(key), apivalidation.ValidateAnnotations(map[string]string{key: ""}, none))
	}
	if err := apivalidation.ValidateAnnotationsSize(c.pod.Annotations); err != nil {
		c.add(at("metadata.annotations"), nil, "%v", err)
	}
	for i, f := range c.pod.Finalizers {
		add(at("metadata.finalizers").item(i, f), apivalidation.ValidateFinalizerName(f, none))
	}
}
