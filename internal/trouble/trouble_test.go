package trouble

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	testclock "k8s.io/utils/clock/testing"
)

func TestOncePerTrouble(t *testing.T) {
	var out bytes.Buffer
	c := testclock.NewFakeClock(time.Unix(1e9, 0))
	l := New(slog.New(slog.NewTextHandler(&out, nil)), c)
	lines := func() int { return strings.Count(out.String(), "\n") }

	l.Clear("api")
	if lines() != 0 {
		t.Fatalf("cleared what was not open: %s", out.String())
	}
	for range 100 {
		l.Report("api", "API server is away")
	}
	l.Report("secret", "secret is gone")
	if got := strings.Join(l.Open(), " "); got != "api secret" {
		t.Errorf("open are %q", got)
	}
	if lines() != 2 {
		t.Fatalf("want one line per trouble, got:\n%s", out.String())
	}
	c.Step(repeatAfter)
	l.Report("api", "API server is away")
	if lines() != 3 {
		t.Fatalf("a lasting trouble is not repeated:\n%s", out.String())
	}
	l.Clear("api")
	if got := strings.Join(l.Open(), " "); got != "secret" {
		t.Errorf("open are %q after one was cleared", got)
	}
	l.Clear("api")
	l.Report("api", "API server is away")
	if lines() != 5 || !strings.Contains(out.String(), "trouble is over") {
		t.Fatalf("want end and new beginning, got:\n%s", out.String())
	}
}

func TestSet(t *testing.T) {
	var out bytes.Buffer
	l := New(slog.New(slog.NewTextHandler(&out, nil)), testclock.NewFakeClock(time.Unix(1e9, 0)))
	steps := []struct {
		now   []Trouble
		open  string
		lines int // in all
	}{
		{nil, "", 0},
		{[]Trouble{{"b", "one"}, {"a", "two"}, {"b", "three"}}, "a b", 2},
		{[]Trouble{{"a", "two, in other words"}, {"b", "one"}}, "a b", 2},
		{[]Trouble{{"a", "two"}, {"c", "new"}}, "a c", 4},
		{nil, "", 6},
		{nil, "", 6},
	}
	for i, s := range steps {
		l.Set(s.now)
		if got := strings.Join(l.Open(), " "); got != s.open {
			t.Errorf("step %d: open are %q, want %q", i, got, s.open)
		}
		if n := strings.Count(out.String(), "\n"); n != s.lines {
			t.Errorf("step %d: %d lines, want %d:\n%s", i, n, s.lines, out.String())
		}
	}
	if strings.Count(out.String(), "msg=one") != 1 || strings.Contains(out.String(), "three") {
		t.Errorf("of two troubles with one key the first counts:\n%s", out.String())
	}
}
