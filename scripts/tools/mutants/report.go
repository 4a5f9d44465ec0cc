package main

import (
	"fmt"
	"io"
	"strings"
)

// A verdict is what became of a mutant.
type verdict int

const (
	survived    verdict = iota // every test passed
	killed                     // a test failed
	timedOut                   // the tests did not end in time: killed
	notCompiled                // not a change that anybody could make: not counted
)

// A report counts what became of one package's mutants.
type report struct {
	Package string // its folder in the module
	// Equivalents are the entries of the list about this package.
	Equivalents []equivalent

	killed, timedOut, survived, equivalent, notCompiled int
	noticed                                             map[equivalent]mutant // which a test noticed all the same
	right                                               map[equivalent]bool   // which describe a mutant that survived
}

// add counts m and writes a line about it to w when it survived.
func (r *report) add(m mutant, v verdict, w io.Writer) {
	var listed *equivalent
	for i := range r.Equivalents {
		if r.Equivalents[i].describes(m) {
			listed = &r.Equivalents[i]
		}
	}
	switch {
	case v == notCompiled:
		r.notCompiled++
	case v == survived && listed != nil:
		r.equivalent++
		if r.right == nil {
			r.right = map[equivalent]bool{}
		}
		r.right[*listed] = true
	case v == survived:
		r.survived++
		fmt.Fprintf(w, "  survived %s\n", m)
	default:
		r.killed++
		if v == timedOut {
			r.timedOut++
		}
		if listed != nil {
			if r.noticed == nil {
				r.noticed = map[equivalent]mutant{}
			}
			r.noticed[*listed] = m
		}
	}
}

// counted is the number of mutants that a test could notice.
func (r *report) counted() int { return r.killed + r.survived }

// percent is the part of the counted mutants that were killed; a package
// without any has nothing to notice.
func (r *report) percent() float64 {
	if r.counted() == 0 {
		return 100
	}
	return 100 * float64(r.killed) / float64(r.counted())
}

// line sums up the package.
func (r *report) line() string {
	var apart []string
	for _, part := range []struct {
		n    int
		what string
	}{
		{r.timedOut, "of these by the time limit"},
		{r.equivalent, "equivalent"},
		{r.notCompiled, "that do not compile"},
	} {
		if part.n > 0 {
			apart = append(apart, fmt.Sprintf("%d %s", part.n, part.what))
		}
	}
	line := fmt.Sprintf("mutants: package %s killed %d of %d", r.Package, r.killed, r.counted())
	if len(apart) > 0 {
		line += " (" + strings.Join(apart, ", ") + ")"
	}
	return line
}

// wrong returns what is wrong with the list of equivalents, once every mutant
// of the package has been added.
func (r *report) wrong() []string {
	var wrong []string
	for _, e := range r.Equivalents {
		if r.right[e] {
			continue
		}
		if m, ok := r.noticed[e]; ok {
			wrong = append(wrong, fmt.Sprintf("%s: a test notices %s: remove the entry", e.Place, m))
		} else {
			wrong = append(wrong, fmt.Sprintf("%s: no change makes %q of %q in %s: remove the entry", e.Place, e.After, e.Before, e.File))
		}
	}
	return wrong
}
