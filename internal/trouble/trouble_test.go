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
	c.Step(DefaultRepeat)
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
