package partial

import (
	"fmt"
	"reflect"
	"runtime/debug"
	"sync"
)

// Program is a template that has been evaluated in part. Any number of goroutines
// may run it at once.
type Program struct {
	steps block
	// data is the type of the struct that the template is shown, and constants are
	// the fields of it whose values are built into the program.
	data      reflect.Type
	constants []constant
	frames    sync.Pool
	defect    func(error)
	size      int
}

// Size is what the program keeps in memory, in bytes, about.
func (p *Program) Size() int { return p.size }

// constant is a field of the data that has the same value for every pod.
type constant struct {
	index int
	value reflect.Value
}

// Output receives the text of a program, and counts its steps. Both methods return
// false where a limit is exceeded, which makes the program fall back.
type Output interface {
	WriteText(text string) bool
	// Count adds rounds of loops and calls of templates.
	Count(steps int) bool
	// Late reports whether the program must end.
	Late() bool
}

// Fits reports whether the program is for this data: a struct that can be
// addressed, of the type of Options.Data and with the same constants.
func (p *Program) Fits(data reflect.Value) bool {
	if data.Type() != p.data || !data.CanAddr() {
		return false
	}
	for i := range p.constants {
		if !identical(data.Field(p.constants[i].index), p.constants[i].value) {
			return false
		}
	}
	return true
}

// identical reports whether two values are the same pointer or map, or equal
// strings or numbers. Maps and messages that are only equal could change apart.
func identical(a, b reflect.Value) bool {
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

// Run writes what the template gives for data that the program fits. When it
// returns false, what it has written is of no use: the caller must drop it and
// execute the template with text/template.
func (p *Program) Run(data reflect.Value, out Output) bool {
	f := p.frames.Get().(*frame)
	f.data, f.out, f.ran = data, out, 0
	ok := attempt(p.defect, func() { p.steps.run(f) })
	// The pod must not stay in memory with the frame.
	f.data, f.out = reflect.Value{}, nil
	clear(f.slots)
	p.frames.Put(f)
	return ok
}

// frame is one run of a program.
type frame struct {
	data reflect.Value
	// slots hold variables, and the dot of loops.
	slots []reflect.Value
	out   Output
	// ran is how many steps were run, loops and branches not counted with what is
	// in them.
	ran int
}

// lateEverySteps is after how many steps the clock is looked at: a step may take
// some milliseconds, most take less than one look.
const lateEverySteps = 64

func (f *frame) write(text string) {
	if !f.out.WriteText(text) {
		fallBack()
	}
}

func (f *frame) count(steps int) {
	if !f.out.Count(steps) {
		fallBack()
	}
}

// step is one thing that is left to do at run time.
type step func(*frame)

// block is a list of steps in order.
type block []step

func (b block) run(f *frame) {
	for _, s := range b {
		s(f)
		if f.ran++; f.ran%lateEverySteps == 0 && f.out.Late() {
			fallBack()
		}
	}
}

// builder puts a block together. Text and steps that are the same for every pod
// are collected, so that neighbours become one step.
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
		b.steps = append(b.steps, func(f *frame) { f.count(count); f.write(text) })
	case text != "":
		b.steps = append(b.steps, func(f *frame) { f.write(text) })
	}
}

func (b *builder) block() block {
	b.flush()
	return b.steps
}

// fallback is the value of a panic that leaves the work to text/template.
type fallback struct{}

func fallBack() { panic(fallback{}) }

// attempt reports whether do came to its end without falling back. Any other panic
// than a fallback is passed to defect.
func attempt(defect func(error), do func()) (ok bool) {
	defer func() {
		switch r := recover(); r.(type) {
		case nil, fallback:
		default:
			defect(fmt.Errorf("%v\n%s", r, debug.Stack()))
		}
	}()
	do()
	return true
}

// functionPanicked is deferred around calls of functions and methods: their panics
// are errors to text/template, and no defects.
func functionPanicked() {
	if recover() != nil {
		fallBack()
	}
}

func call1[A, R any](fn func(A) R, a A) R {
	defer functionPanicked()
	return fn(a)
}

func call2[A, B, R any](fn func(A, B) R, a A, b B) R {
	defer functionPanicked()
	return fn(a, b)
}

func call3[A, B, C, R any](fn func(A, B, C) R, a A, b B, c C) R {
	defer functionPanicked()
	return fn(a, b, c)
}

func callList[R any](fn func(...any) R, list []any) R {
	defer functionPanicked()
	return fn(list...)
}

func callWithList[A, R any](fn func(A, ...any) R, a A, list []any) R {
	defer functionPanicked()
	return fn(a, list...)
}

func callOrFail(fn func(any) (string, error), a any) string {
	defer functionPanicked()
	text, err := fn(a)
	if err != nil {
		fallBack()
	}
	return text
}

// invoke calls a function or method by reflection. The result is the first of its
// results; the second, if there is one, is an error.
func invoke(fn reflect.Value, args []reflect.Value) reflect.Value {
	defer functionPanicked()
	out := fn.Call(args)
	if len(out) == 2 && !out[1].IsNil() {
		fallBack()
	}
	return out[0]
}
