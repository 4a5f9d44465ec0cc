package render

import "time"

// Work is what the executions for one request have used of their limits. It must not
// be used by several goroutines at once.
type Work struct {
	output, steps int
	end           time.Time // when the time is over; zero before the first execution
}

// Limits bound the executions of templates for one request together, see [Work]. The
// zero value of a field means its default.
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
