package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Error is one thing that is wrong in one file.
type Error struct {
	// File is the Source's name.
	File string
	// Line counts from 1; 0 when the error is about the file as a whole.
	Line int
	// Field is the path of the field, for example neverInjectSelector[2]; empty
	// when the error is about the file as a whole.
	Field string
	// Problem is what is wrong and what is allowed.
	Problem string
}

func (e *Error) Error() string {
	return e.location() + e.Problem
}

func (e *Error) location() string {
	s := e.File + ": "
	if e.Line > 0 {
		s = fmt.Sprintf("%s:%d: ", e.File, e.Line)
	}
	if e.Field != "" {
		s += e.Field + ": "
	}
	return s
}

// report collects the errors and notes about one file.
type report struct {
	file  string
	errs  []*Error
	notes []*Error
	lines map[string]int
}

// at notes the line of a field, for checks after parsing.
func (r *report) at(field string, line int) {
	if r.lines == nil {
		r.lines = map[string]int{}
	}
	r.lines[field] = line
}

// line returns the line of a field or of the nearest field around it; 0 when none
// is known.
func (r *report) line(field string) int {
	for field != "" {
		if n, ok := r.lines[field]; ok {
			return n
		}
		field = field[:max(strings.LastIndexByte(field, '.'), 0)]
	}
	return 0
}

func (r *report) errorf(line int, field, format string, args ...any) {
	r.errs = append(r.errs, &Error{r.file, line, field, fmt.Sprintf(format, args...)})
}

func (r *report) notef(line int, field, format string, args ...any) {
	r.notes = append(r.notes, &Error{r.file, line, field, fmt.Sprintf(format, args...)})
}

// join returns the errors and the notes about several files, each file's in the
// order of the lines.
func join(reports ...*report) (notes []string, err error) {
	var errs []error
	byLine := func(a, b *Error) int { return a.Line - b.Line }
	for _, r := range reports {
		slices.SortStableFunc(r.errs, byLine)
		slices.SortStableFunc(r.notes, byLine)
		for _, e := range r.errs {
			errs = append(errs, e)
		}
		for _, n := range r.notes {
			notes = append(notes, n.Error())
		}
	}
	return notes, errors.Join(errs...)
}
