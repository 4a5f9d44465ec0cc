package render

import "time"

// marker says what the execution has come to.
type marker struct {
	kind markerKind
	// where is the name of the template and the line, for messages.
	where string
}

type markerKind int

const (
	enter markerKind = iota // a template was called
	leave                   // and returns
	round                   // a loop begins another round
)

// steps is what a marker counts for.
func (k markerKind) steps() int {
	if k == leave {
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
	out     []byte
	limits  *Limits
	markers markers
	steps   int
	depth   int
	end     time.Time
}

// clockEvery is after how many steps the clock is looked at: that costs as much
// as a short round, and most executions have fewer steps and never look.
const clockEvery = 32

// start begins an execution. The time goes on from an earlier one, if both are for
// the same pod.
func (m *meter) start() { m.out, m.steps, m.depth = m.out[:0], 0, 0 }

func (m *meter) late() bool { return m.limits.Now().After(m.end) }

// Write implements io.Writer.
func (m *meter) Write(p []byte) (int, error) {
	if mark, ok := m.markers.find(p); ok {
		return len(p), m.pass(mark)
	}
	if len(m.out)+len(p) > m.limits.Output {
		return 0, &LimitError{What: "output", Limit: byteCount(m.limits.Output)}
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
	case enter:
		if m.depth++; m.depth > m.limits.Depth {
			return &LimitError{What: "nested template calls", Limit: count(m.limits.Depth), Where: mark.where}
		}
	}
	if m.steps++; m.steps > m.limits.Steps {
		return &LimitError{What: "loop rounds and template calls", Limit: count(m.limits.Steps), Where: mark.where}
	}
	if m.steps%clockEvery == 0 && m.late() {
		return &LimitError{What: "time", Limit: m.limits.Time.String(), Where: mark.where}
	}
	return nil
}

// WriteText implements partial.Output.
func (m *meter) WriteText(text string) bool {
	if len(m.out)+len(text) > m.limits.Output {
		return false
	}
	m.out = append(m.out, text...)
	return true
}

// Count implements partial.Output. The depth was checked by the compiler.
func (m *meter) Count(steps int) bool {
	before := m.steps / clockEvery
	m.steps += steps
	return m.steps <= m.limits.Steps && (m.steps/clockEvery == before || !m.late())
}
