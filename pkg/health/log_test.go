package health

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func levels(text string) (found []string) {
	for line := range strings.Lines(text) {
		_, rest, _ := strings.Cut(line, "level=")
		level, rest, _ := strings.Cut(rest, " ")
		_, rest, _ = strings.Cut(rest, "msg=")
		found = append(found, level+" "+strings.TrimSpace(rest))
	}
	return found
}

func equal(t *testing.T, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the log is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Whoever watches the log for warnings sees a server that is not ready, and
// not one that is.
func TestTheLevelOfAChange(t *testing.T) {
	var log strings.Builder
	var failing error
	s := NewSet("ready", time.Second, slog.New(slog.NewTextHandler(&log, nil)),
		CheckFunc("tls", func(context.Context) error { return failing }))
	for _, failing = range []error{nil, errors.New("expired"), nil} {
		s.Outcomes(t.Context())
	}
	equal(t, levels(log.String()), "INFO ready", `WARN "not ready" error="tls: expired"`, "INFO ready")
}

// Each trouble has one line for its beginning and one for its end, also when
// it is the same as the one before; a server without trouble says nothing.
func TestTroubleOfAHealthFileBeginsAndEndsInTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "health")
		var log safeBuffer
		outcomes := []error{nil, nil, errors.New("expired"), errors.New("expired"), nil, nil, errors.New("expired"), nil}
		ctx, cancel := context.WithCancel(t.Context())
		check := func(context.Context) error {
			if len(outcomes) == 0 {
				cancel()
				return nil
			}
			err := outcomes[0]
			outcomes = outcomes[1:]
			return err
		}
		if err := TouchFile(ctx, file, time.Second, check, slog.New(slog.NewTextHandler(&log, nil))); err != nil {
			t.Errorf("TouchFile: %v", err)
		}
		begins := `ERROR "health check file not touched" file=` + file + " error=expired"
		ends := `INFO "health check file touched again" file=` + file
		equal(t, levels(log.String()), begins, ends, begins, ends)
	})
}
