package trouble

import (
	"testing"
	"time"

	testclock "k8s.io/utils/clock/testing"
)

func TestRate(t *testing.T) {
	c := testclock.NewFakeClock(time.Unix(1e9, 0))
	r := NewRate(c)
	check := func(what, kind string, wantDue bool, wantSkipped int) {
		t.Helper()
		if due, skipped := r.Due(kind); due != wantDue || skipped != wantSkipped {
			t.Errorf("%s: %v with %d before it, want %v with %d", what, due, skipped, wantDue, wantSkipped)
		}
	}
	check("the first", "bytes", true, 0)
	check("at once again", "bytes", false, 0)
	check("another kind", "requests", true, 0)
	c.Step(logEvery - time.Nanosecond)
	check("too soon", "bytes", false, 0)
	c.Step(time.Nanosecond)
	check("after the time", "bytes", true, 2)
	c.Step(logEvery)
	check("later", "bytes", true, 0)
}
