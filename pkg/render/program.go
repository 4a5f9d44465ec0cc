package render

import (
	"reflect"
	"slices"
)

// A program is a template evaluated in part: what is the same for every pod has
// been worked out when the configuration was compiled, types have been looked up
// and functions bound, and what is left are the steps that depend on the pod.
//
// text/template stays what says how a template behaves. A program gives the very
// text that text/template would give, or none: it gives up on whatever is out of
// the ordinary, errors and exceeded limits included, and then text/template
// executes the template and has the last word. Templates are pure, so doing it
// twice does no harm.
type program struct {
	steps block
	slots int
	// data is the type of what the template is shown, known are the fields of the data that the program holds as constants.
	data  reflect.Type
	known []constant
}

// constant is a field of the data that has the same value for every pod.
type constant struct {
	name  string
	index int
	value reflect.Value
}

// frame is one run of a program.
type frame struct {
	data reflect.Value
	// slots hold variables, and what stands for the dot.
	slots []reflect.Value
	w     *writer
}

// step is one thing that is left to do.
type step func(*frame) signal

// signal tells how a step has ended.
type signal int

const (
	done signal = iota
	broken
	continued
)

// block is a list of steps in order.
type block []step

func (b block) run(f *frame) signal {
	for _, s := range b {
		if sig := s(f); sig != done {
			return sig
		}
	}
	return done
}

// unusual is what a program panics with when it leaves the work to
// text/template.
type unusual struct{}

func giveUp() { panic(unusual{}) }

// fits tells whether the program is for this data.
func (p *program) fits(data reflect.Value) bool {
	if data.Type() != p.data || !data.CanAddr() {
		return false
	}
	for i := range p.known {
		if !same(data.Field(p.known[i].index), p.known[i].value) {
			return false
		}
	}
	return true
}

// same tells whether two values are one: not only equal, but the same pointer or
// map.
func same(a, b reflect.Value) bool {
	switch a.Kind() {
	case reflect.Pointer, reflect.Map:
		return a.UnsafePointer() == b.UnsafePointer()
	case reflect.String:
		return a.String() == b.String()
	case reflect.Int, reflect.Int64:
		return a.Int() == b.Int()
	}
	return false
}

// run writes what the template gives for the data. It returns false when the
// program has given up; what is written until then is of no use.
func (p *program) run(w *writer, data reflect.Value) bool {
	w.slots = slices.Grow(w.slots[:0], p.slots)[:p.slots]
	f := &frame{data: data, slots: w.slots, w: w}
	// The pod must not stay in memory with the writer.
	defer clear(f.slots)
	// A function that panics (see limitError) is as much a reason to give up as
	// what the program does not know: text/template says what it means.
	return attempt(func() { p.steps.run(f) })
}

func (f *frame) write(text string) {
	if len(f.w.out)+len(text) > f.w.limits.Output {
		giveUp()
	}
	f.w.out = append(f.w.out, text...)
}

// count notes rounds of loops and calls of templates. Whoever exceeds a limit is
// left to text/template, which runs into the same one and can name the place.
func (f *frame) count(n int) {
	before := f.w.steps / clockEvery
	f.w.steps += n
	if f.w.steps > f.w.limits.Steps || f.w.steps/clockEvery > before && f.w.late() {
		giveUp()
	}
}

// builder puts a block together. What is written and counted without looking at
// the pod becomes one step.
type builder struct {
	steps block
	text  []byte
	count int
}

func (b *builder) add(s step) {
	b.flush()
	b.steps = append(b.steps, s)
}

func (b *builder) flush() {
	text, count := string(b.text), b.count
	b.text, b.count = b.text[:0], 0
	switch {
	case count > 0:
		b.steps = append(b.steps, func(f *frame) signal { f.count(count); f.write(text); return done })
	case text != "":
		b.steps = append(b.steps, func(f *frame) signal { f.write(text); return done })
	}
}

func (b *builder) block() block {
	b.flush()
	return b.steps
}
