package app

import "testing"

func TestQuiet(t *testing.T) {
	q := quiet{given: -1}
	for i, look := range []struct {
		calls int64
		want  bool
	}{
		{0, true},  // the start is over
		{0, false}, // nothing since
		{7, false}, // busy
		{9, false}, // still busy
		{9, true},  // quiet
		{9, false}, // given back already
		{10, false},
		{10, true},
	} {
		if got := q.look(look.calls); got != look.want {
			t.Errorf("look %d, after %d calls: give back is %t", i, look.calls, got)
		}
	}
	busy := quiet{given: -1}
	if busy.look(3) {
		t.Error("memory is given back while calls come")
	}
}
