package render

import (
	"reflect"
	"time"
)

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

// markers are what Compile has planted in a template. text/template tells its
// writer about every text node, even an empty one: so empty text nodes at the
// right places let the writer count what is going on, with no state shared
// between executions. The nodes are told apart by the capacity of their text,
// and from other empty writes by its address.
type markers struct {
	base []byte
	list []marker
}

// text returns the text of the node that stands for the i-th marker.
func (m *markers) text(i int) []byte { return m.base[0 : 0 : i+1] }

// find returns the marker that a write stands for, if it is one.
func (m *markers) find(p []byte) (marker, bool) {
	if len(p) != 0 || cap(p) == 0 || cap(p) > len(m.list) || &p[:1][0] != &m.base[0] {
		return marker{}, false
	}
	return m.list[cap(p)-1], true
}

// writer collects the output of one execution and ends it when it exceeds a
// limit.
type writer struct {
	out     []byte
	limits  *Limits
	markers *markers
	steps   int
	depth   int
	end     time.Time
	// slots are those of a program, kept for the next one.
	slots []reflect.Value
}

// clockEvery is after how many steps the clock is looked at: that costs as much
// as a short round, and most executions have fewer steps and never look.
const clockEvery = 32

func (w *writer) late() bool { return w.limits.Now().After(w.end) }

func (w *writer) reset() { w.out, w.steps, w.depth = w.out[:0], 0, 0 }

func (w *writer) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, w.mark(p)
	}
	if len(w.out)+len(p) > w.limits.Output {
		return 0, &LimitError{What: "output", Limit: byteCount(w.limits.Output)}
	}
	w.out = append(w.out, p...)
	return len(p), nil
}

func (w *writer) mark(p []byte) error {
	m, ok := w.markers.find(p)
	if !ok {
		return nil
	}
	switch m.kind {
	case leave:
		w.depth--
		return nil
	case enter:
		if w.depth++; w.depth > w.limits.Depth {
			return &LimitError{What: "nested template calls", Limit: count(w.limits.Depth), Where: m.where}
		}
	}
	if w.steps++; w.steps > w.limits.Steps {
		return &LimitError{What: "loop rounds and template calls", Limit: count(w.limits.Steps), Where: m.where}
	}
	if w.steps%clockEvery == 0 && w.late() {
		return &LimitError{What: "time", Limit: w.limits.Time.String(), Where: m.where}
	}
	return nil
}
