package follower

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"k8s.io/utils/clock"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/trouble"
)

func attempted(f *Follower) bool {
	select {
	case <-f.Attempted():
		return true
	default:
		return false
	}
}

func TestFollower(t *testing.T) {
	for name, c := range map[string]struct {
		events    []any // nil: the objects are known; error: a call failed; true: one succeeded
		attempted bool
		troubles  int
		lines     int
	}{
		"nothing yet":        {nil, false, 0, 0},
		"known":              {[]any{nil}, true, 0, 0},
		"known twice":        {[]any{nil, nil}, true, 0, 0},
		"a call alone":       {[]any{true}, false, 0, 0},
		"fails":              {[]any{errors.New("no route")}, true, 1, 1},
		"fails on and on":    {[]any{errors.New("no route"), errors.New("no route")}, true, 1, 1},
		"works again":        {[]any{errors.New("no route"), true, nil}, true, 0, 2},
		"fails after it was": {[]any{nil, errors.New("no route")}, true, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			log := trouble.New(slog.New(slog.NewTextHandler(&out, nil)), clock.RealClock{})
			f := New("configmap ns/name", log, func(_ context.Context, known func(), failed func(error)) {
				for _, e := range c.events {
					switch e := e.(type) {
					case nil:
						known()
					case error:
						failed(e)
					default:
						failed(nil)
					}
				}
			})
			if err := f.Run(t.Context()); err != nil {
				t.Errorf("Run: %v", err)
			}
			if got := attempted(f); got != c.attempted {
				t.Errorf("attempted is %t, want %t", got, c.attempted)
			}
			if got := log.Open(); len(got) != c.troubles {
				t.Errorf("open troubles %q, want %d", got, c.troubles)
			}
			if got := strings.Count(out.String(), "\n"); got != c.lines {
				t.Errorf("%d lines, want %d:\n%s", got, c.lines, &out)
			}
			if c.troubles > 0 && !strings.Contains(out.String(), "cannot list and watch configmap ns/name: no route; trying again until it works") {
				t.Errorf("the log does not say what fails: %s", &out)
			}
		})
	}
}
