package render

import (
	"fmt"
	"time"
)

// Limits bound one execution of a template. The zero value of a field means its
// default.
type Limits struct {
	// Output is the number of bytes that may be written; default 1 MiB, which
	// is a hundred times the output of the templates in the field.
	Output int
	// Steps is the number of loop rounds and template calls; default 100,000.
	Steps int
	// Depth is the number of template calls within each other; default 100.
	Depth int
	// Time is how long it may take; default 2s, a fifth of the time that an
	// API server waits for a webhook by default.
	Time time.Duration
	// Now is the clock for Time; default time.Now.
	Now func() time.Time
}

func (l Limits) withDefaults() Limits {
	l.Output = orDefault(l.Output, 1<<20)
	l.Steps = orDefault(l.Steps, 100_000)
	l.Depth = orDefault(l.Depth, 100)
	l.Time = orDefault(l.Time, 2*time.Second)
	if l.Now == nil {
		l.Now = time.Now
	}
	return l
}

func orDefault[T int | time.Duration](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}

// Every value that template functions make is limited too, since by doubling a
// string or a list in a loop few steps make a lot of memory.
const (
	// maxValue is the weight (see weigh) of one function's arguments or result.
	maxValue = 4 << 20
	// maxProduct bounds the result of functions whose result may be as large as
	// the product of their arguments.
	maxProduct = 16 << 20
	// maxRange is the number of items that until, untilStep and seq may count.
	maxRange = 10_000
	// maxNesting is the depth of lists and maps within each other. It also
	// stops maps that a template put into themselves.
	maxNesting = 100
	// maxPattern is the length of a regular expression.
	maxPattern = 4 << 10
	// maxUnique is the length of a list that is compared item by item.
	maxUnique = 2000
	// maxWidth is the width or precision of a printf verb.
	maxWidth = 1000
)

// limitError is raised by panicking in a function, which text/template turns
// into an error that names the place.
type limitError string

func (e limitError) Error() string { return string(e) }

func exceeded(format string, args ...any) {
	panic(limitError(fmt.Sprintf(format, args...)))
}
