package podmodel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/quantity"
)

// Counts says how much a pod holds.
type Counts struct {
	Containers int // init containers and ephemeral ones included
	Volumes    int
	Env        int // variables of all containers, those from envFrom counted by source
	Mounts     int // of volumes, in all containers
	Ports      int // of all containers
	Labels     int
	Owners     int
	// Annotations is the number of bytes of all keys and values.
	Annotations int
	// Items is the number of items of all lists, Values that of all names and values but
	// those of annotations, and Depth how many objects and lists are within each other
	// at most. Only an outline has them.
	Items, Values, Depth int
}

// Outline is what is known of a pod without the memory that decoding it takes:
// that is up to two hundred times the text's.
type Outline struct {
	// Pod holds kind, name, generateName, namespace and hostNetwork, and those of the
	// labels and annotations that were asked for.
	Pod    *corev1.Pod
	Counts Counts
	// Quantity is what is wrong with the first quantity that [Decode] would refuse to
	// read because it is too long or has too large an exponent; nil where there is none.
	Quantity *quantity.LimitError
}

// ReadOutline reads the outline of a pod's JSON; wanted says which labels and
// annotations it holds. Where the text is not a pod, the outline may say less than
// what is there, and [Decode] says what is wrong. Of an object or list that is given
// twice both count.
//
// The error is that of ctx, or that of text which is not JSON.
func ReadOutline(ctx context.Context, data []byte, wanted func(key string) bool) (*Outline, error) {
	o := outliner{
		Decoder: jsontext.NewDecoder(bytes.NewBuffer(data), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)),
		ctx:     ctx, wanted: wanted,
		out: Outline{Pod: new(corev1.Pod)},
	}
	if err := o.object(o.podField); err != nil {
		return nil, err
	}
	return &o.out, nil
}

// CountsOf counts what a decoded pod holds.
func CountsOf(pod *corev1.Pod) Counts {
	spec := &pod.Spec
	c := Counts{
		Containers: len(spec.InitContainers) + len(spec.Containers) + len(spec.EphemeralContainers),
		Volumes:    len(spec.Volumes),
		Labels:     len(pod.Labels),
		Owners:     len(pod.OwnerReferences),
	}
	for key, value := range pod.Annotations {
		c.Annotations += len(key) + len(value)
	}
	add := func(env []corev1.EnvVar, from []corev1.EnvFromSource, mounts []corev1.VolumeMount, ports []corev1.ContainerPort) {
		c.Env += len(env) + len(from)
		c.Mounts += len(mounts)
		c.Ports += len(ports)
	}
	for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			add(list[i].Env, list[i].EnvFrom, list[i].VolumeMounts, list[i].Ports)
		}
	}
	for i := range spec.EphemeralContainers {
		e := &spec.EphemeralContainers[i]
		add(e.Env, e.EnvFrom, e.VolumeMounts, e.Ports)
	}
	return c
}

// outliner reads a pod token by token.
type outliner struct {
	*jsontext.Decoder
	ctx    context.Context
	wanted func(string) bool
	tokens int // read so far
	out    Outline
}

// next reads a token, and counts it if it is a name or a value.
func (o *outliner) next() (jsontext.Token, error) {
	token, err := o.ReadToken()
	if err != nil {
		return token, fmt.Errorf("not JSON: %w", err)
	}
	if kind := token.Kind(); kind == '}' || kind == ']' {
		return token, nil
	}
	depth := o.StackDepth()
	o.out.Counts.Depth = max(o.out.Counts.Depth, depth)
	o.out.Counts.Values++
	if kind := token.Kind(); kind == '{' || kind == '[' {
		depth--
	}
	if in, _ := o.StackIndex(depth); in == '[' {
		o.out.Counts.Items++
	}
	if o.tokens++; o.tokens%pollEvery == 0 {
		err = o.ctx.Err()
	}
	return token, err
}

// pollEvery is after how many values of a long text the context is looked at: that
// is some ten microseconds.
const pollEvery = 256

// object goes through the members of an object; field must read the member's value.
// Anything else than an object is passed over.
func (o *outliner) object(field func(name string) error) error {
	if o.PeekKind() != '{' {
		return o.skip()
	}
	if _, err := o.next(); err != nil {
		return err
	}
	for o.PeekKind() != '}' {
		name, err := o.next()
		if err != nil {
			return err
		}
		if err := field(name.String()); err != nil {
			return err
		}
	}
	_, err := o.next()
	return err
}

// list goes through the items of a list; item must read the item. Anything else than
// a list is passed over.
func (o *outliner) list(item func() error) error {
	if o.PeekKind() != '[' {
		return o.skip()
	}
	if _, err := o.next(); err != nil {
		return err
	}
	for o.PeekKind() != ']' {
		if err := item(); err != nil {
			return err
		}
	}
	_, err := o.next()
	return err
}

// count counts the items of a list.
func (o *outliner) count(n *int) error {
	return o.list(func() error {
		*n++
		return o.skip()
	})
}

// skip passes over a value.
func (o *outliner) skip() error {
	for depth := o.StackDepth(); ; {
		token, err := o.next()
		if err != nil {
			return err
		}
		o.noteQuantity(token)
		if o.StackDepth() == depth {
			return nil
		}
	}
}

// text reads a value that should be text into s.
func (o *outliner) text(s *string) error {
	if o.PeekKind() != '"' {
		return o.skip()
	}
	token, err := o.next()
	if err == nil {
		*s = token.String()
	}
	return err
}

func (o *outliner) podField(name string) error {
	switch name {
	case "kind":
		return o.text(&o.out.Pod.Kind)
	case "metadata":
		return o.object(o.metadataField)
	case "spec":
		return o.object(o.specField)
	}
	return o.skip()
}

func (o *outliner) metadataField(name string) error {
	meta := &o.out.Pod.ObjectMeta
	switch name {
	case "name":
		return o.text(&meta.Name)
	case "generateName":
		return o.text(&meta.GenerateName)
	case "namespace":
		return o.text(&meta.Namespace)
	case "ownerReferences":
		return o.count(&o.out.Counts.Owners)
	case "labels":
		return o.entries(&meta.Labels, func(string, string) { o.out.Counts.Labels++ })
	case "annotations":
		before := o.out.Counts.Values
		err := o.entries(&meta.Annotations, func(key, value string) { o.out.Counts.Annotations += len(key) + len(value) })
		o.out.Counts.Values = before
		return err
	}
	return o.skip()
}

// entries reads a map of text, of which it keeps what is wanted.
func (o *outliner) entries(into *map[string]string, count func(key, value string)) error {
	return o.object(func(key string) error {
		var value string
		if err := o.text(&value); err != nil {
			return err
		}
		count(key, value)
		if o.wanted(key) {
			if *into == nil {
				*into = map[string]string{}
			}
			(*into)[key] = value
		}
		return nil
	})
}

func (o *outliner) specField(name string) error {
	switch name {
	case "hostNetwork":
		if kind := o.PeekKind(); kind == 't' || kind == 'f' {
			o.out.Pod.Spec.HostNetwork = kind == 't'
		}
	case "volumes":
		return o.count(&o.out.Counts.Volumes)
	case "containers", "initContainers", "ephemeralContainers":
		return o.list(func() error {
			o.out.Counts.Containers++
			return o.object(o.containerField)
		})
	}
	return o.skip()
}

func (o *outliner) containerField(name string) error {
	switch name {
	case "env", "envFrom":
		return o.count(&o.out.Counts.Env)
	case "volumeMounts":
		return o.count(&o.out.Counts.Mounts)
	case "ports":
		return o.count(&o.out.Counts.Ports)
	}
	return o.skip()
}

// noteQuantity notes a quantity that must not be given to its library. It looks at
// where a value stands only if it would be one.
func (o *outliner) noteQuantity(token jsontext.Token) {
	if kind := token.Kind(); kind != '"' && kind != '0' || o.out.Quantity != nil {
		return
	}
	text := strings.TrimSpace(token.String())
	if text == "" || strings.IndexByte("+-.0123456789eE", text[0]) < 0 {
		return // most text
	}
	var limit *quantity.LimitError
	if errors.As(quantity.Check(text), &limit) && o.atQuantity() {
		o.out.Quantity = limit
	}
}

// atQuantity reports whether the value that was read last is a quantity: it is in a
// list of resources, or is one of the two fields that are one by themselves.
func (o *outliner) atQuantity() bool {
	if _, length := o.StackIndex(o.StackDepth()); length%2 != 0 {
		return false // a name
	}
	steps := slices.Collect(o.StackPointer().Tokens())
	if n := len(steps); n > 1 && slices.Contains([]string{"limits", "requests", "overhead"}, steps[n-2]) {
		return true
	}
	return len(steps) > 0 && slices.Contains([]string{"sizeLimit", "divisor"}, steps[len(steps)-1])
}
