package render

import (
	"errors"
	"testing"
	"time"
)

func TestMarkersAreToldApart(t *testing.T) {
	m := markers{}
	first, second := m.add(marker{enter, "a", 0}), m.add(marker{round, "b", 0})
	if got, ok := m.find(first); !ok || got != (marker{enter, "a", 0}) {
		t.Errorf("the first marker is %v, %t", got, ok)
	}
	if got, ok := m.find(second); !ok || got != (marker{round, "b", 0}) {
		t.Errorf("the second marker is %v, %t", got, ok)
	}
	for name, text := range map[string][]byte{
		"nothing": nil, "empty": {}, "equal text": append([]byte(nil), first...), "longer text": append(first[:1:1], 0), "no text of a marker": first[:0],
	} {
		if got, ok := m.find(text); ok {
			t.Errorf("%s is taken for the marker %v", name, got)
		}
	}
}

// Programs and text/template count alike: each kind of step, up to the limit and no
// further.
func TestMeter(t *testing.T) {
	at := time.Unix(0, 0)
	limits := Limits{Output: 5, Steps: 70, Depth: 2, Time: time.Second, Now: func() time.Time { return at }}
	var limit *LimitError
	fresh := func() *meter {
		m := &meter{limits: &limits, markers: markers{}, ctx: t.Context(), work: &Work{end: at}}
		m.start()
		return m
	}

	m := fresh()
	if _, err := m.Write([]byte("abc")); err != nil || !m.WriteText("de") || m.WriteText("f") {
		t.Errorf("%q, %v", m.out, err)
	}
	if _, err := m.Write([]byte("f")); !errors.As(err, &limit) || limit.What != "output" || string(m.out) != "abcde" {
		t.Errorf("%q, %v", m.out, err)
	}
	m.start()
	if len(m.out)+m.steps+m.depth != 0 {
		t.Errorf("a new execution starts with %q, %d steps, depth %d", m.out, m.steps, m.depth)
	}

	for range 2 {
		if err := m.pass(marker{kind: enter}); err != nil {
			t.Error(err)
		}
	}
	if err := m.pass(marker{enter, "x", 0}); !errors.As(err, &limit) || limit.What != "nested template calls" || limit.Limit != "2" || limit.Where != "x" {
		t.Errorf("three templates deep: %v", err)
	}
	m = fresh()
	for range 40 { // each call and its round count, the return does not
		if err := errors.Join(m.pass(marker{kind: enter}), m.pass(marker{kind: leave})); err != nil {
			t.Fatal(err)
		}
	}
	for range 30 {
		if err := m.pass(marker{kind: round}); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.pass(marker{round, "y", 0}); !errors.As(err, &limit) || limit.What != "loop rounds and template calls" || limit.Where != "y" {
		t.Errorf("71 steps: %v", err)
	}
	if m = fresh(); !m.Count(70) || m.Count(1) {
		t.Error("a program may have 70 steps, and no more")
	}

	// The clock is looked at every 32 steps.
	limits.Now = func() time.Time { return at.Add(1) }
	for _, count := range []int{1, 7, 31} {
		m = fresh()
		for done := 0; done+count < clockEvery; done += count {
			if !m.Count(count) {
				t.Errorf("the clock was looked at after %d steps", m.steps)
			}
		}
		if m.Count(count) {
			t.Errorf("the clock was not looked at after %d steps", m.steps)
		}
	}
	m = fresh()
	for i := range clockEvery {
		err := m.pass(marker{round, "z", 0})
		if late := errors.As(err, &limit) && limit.What == "time" && limit.Limit == "1s"; late != (i == clockEvery-1) {
			t.Errorf("step %d: %v", i+1, err)
		}
	}
}
