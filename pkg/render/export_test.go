package render

import (
	"context"
	"slices"
)

// ByProgram is what the template's program gives; ok is false where there is none
// or it falls back.
func (t *Template) ByProgram(data any) (text string, ok bool) {
	m := t.meters.Get().(*meter)
	m.begin(context.Background(), new(Work))
	ok = t.tryProgram(m, data)
	return string(m.out), ok
}

// ByTextTemplate is what the template means.
func (t *Template) ByTextTemplate(data any) (string, error) {
	m := t.meters.Get().(*meter)
	m.begin(context.Background(), new(Work))
	err := t.executePlain(m, data)
	return string(m.out), err
}

// Programs is the number of programs that the template has.
func (t *Template) Programs() int { return len(t.programs) }

// ExecuteAfter executes the template, and calls before when it has read the clock.
func (t *Template) ExecuteAfter(before func(), data any) ([]byte, error) {
	m := t.meters.Get().(*meter)
	m.begin(context.Background(), new(Work))
	before()
	if !t.tryProgram(m, data) {
		if err := t.executePlain(m, data); err != nil {
			return nil, err
		}
	}
	return slices.Clone(m.out), nil
}
