package render

import "context"

// marker says what the execution has come to.
type marker struct {
	kind markerKind
	// defined is the name of the template within the template, and at the place in its
	// text, for messages.
	defined string
	at      int
}

type markerKind int

const (
	enter markerKind = iota // a template was called
	leave                   // and returns
	round                   // a loop begins another round
	tick                    // functions were called, which take time
	here                    // what is written now comes from this place
)

// steps is what a marker counts for.
func (k markerKind) steps() int {
	if k == leave || k == tick || k == here {
		return 0
	}
	return 1
}

// markers are text nodes that Compile has planted in a template: text/template
// writes them like other text, which tells the writer what is going on, without
// state that executions share. The text of each is one byte of its own, and its
// address says which marker it is.
type markers map[*byte]marker

// add returns the text of a new marker.
func (m markers) add(mark marker) []byte {
	text := make([]byte, 1)
	m[&text[0]] = mark
	return text
}

// find returns the marker that a text is, if it is one.
func (m markers) find(text []byte) (marker, bool) {
	if len(text) != 1 {
		return marker{}, false
	}
	mark, ok := m[&text[0]]
	return mark, ok
}

// meter collects the output of one execution, and ends it when it exceeds a limit.
// text/template uses it as its io.Writer, programs as their partial.Output.
type meter struct {
	ctx     context.Context // ends the execution
	work    *Work           // of the executions before this one
	out     []byte
	limits  *Limits
	markers markers
	steps   int
	depth   int
	// trace notes what each part of the output comes from; nil for most executions.
	trace *Trace
}

// clockEvery is after how many steps the clock is looked at: that costs as much
// as a short round, and most executions have fewer steps and never look.
const clockEvery = 32

// start begins an execution. The time goes on from an earlier one, if both are for
// the same pod.
func (m *meter) start() { m.out, m.steps, m.depth = m.out[:0], 0, 0 }

// begin prepares for an execution whose work adds to that of others.
func (m *meter) begin(ctx context.Context, work *Work) {
	m.ctx, m.work = ctx, work
	if work.end.IsZero() {
		work.end = m.limits.Now().Add(m.limits.Time)
	}
}

// finish adds the execution to the work, and lets go of both.
func (m *meter) finish() {
	m.work.output += len(m.out)
	m.work.steps += m.steps
	m.ctx, m.work = nil, nil
}

// late reports whether the execution must end: its time is over, or nobody waits.
func (m *meter) late() bool { return m.ctx.Err() != nil || m.limits.Now().After(m.work.end) }

// fits reports whether so much more output is within the limit.
func (m *meter) fits(n int) bool { return m.work.output+len(m.out)+n <= m.limits.Output }

// Write implements io.Writer.
func (m *meter) Write(p []byte) (int, error) {
	if mark, ok := m.markers.find(p); ok {
		return len(p), m.pass(mark)
	}
	if !m.fits(len(p)) {
		return 0, &LimitError{What: "output", Limit: byteCount(m.limits.Output), at: -1}
	}
	m.out = append(m.out, p...)
	return len(p), nil
}

// pass is what happens when text/template comes to a marker.
func (m *meter) pass(mark marker) error {
	switch mark.kind {
	case leave:
		m.depth--
		return nil
	case tick:
		return m.inTime(mark)
	case here:
		m.trace.note(len(m.out), mark.at)
		return nil
	case enter:
		if m.depth++; m.depth > m.limits.Depth {
			return &LimitError{What: "nested template calls", Limit: count(m.limits.Depth), Where: mark.defined, at: mark.at}
		}
	}
	if m.steps++; m.work.steps+m.steps > m.limits.Steps {
		return &LimitError{What: "loop rounds and template calls", Limit: count(m.limits.Steps), Where: mark.defined, at: mark.at}
	}
	if m.steps%clockEvery == 0 {
		return m.inTime(mark)
	}
	return nil
}

// inTime looks at the clock.
func (m *meter) inTime(mark marker) error {
	if err := m.ctx.Err(); err != nil {
		return err
	}
	if m.late() {
		return &LimitError{What: "time", Limit: m.limits.Time.String(), Where: mark.defined, at: mark.at}
	}
	return nil
}

// Late implements partial.Output.
func (m *meter) Late() bool { return m.late() }

// WriteText implements partial.Output.
func (m *meter) WriteText(text string) bool {
	if !m.fits(len(text)) {
		return false
	}
	m.out = append(m.out, text...)
	return true
}

// Count implements partial.Output. The depth was checked by the compiler.
func (m *meter) Count(steps int) bool {
	before := m.steps / clockEvery
	m.steps += steps
	return m.work.steps+m.steps <= m.limits.Steps && (m.steps/clockEvery == before || !m.late())
}
