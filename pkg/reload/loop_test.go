package reload

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// source is content that tests change.
type source struct {
	mu    sync.Mutex
	text  string
	err   error
	loads int
}

func (s *source) set(text string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text, s.err = text, err
}

func (s *source) load(context.Context, string) (string, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loads++
	if s.err != nil {
		return "", "", s.err
	}
	return s.text, "hash of " + s.text, nil
}

func (s *source) loaded() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.loads
}

type counts struct {
	good, bad int
	hash      string
}

func (c *counts) Reloaded(hash string, _ time.Time) { c.good++; c.hash = hash }
func (c *counts) ReloadFailed(time.Time)            { c.bad++ }

func TestReload(t *testing.T) {
	clock := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	src := &source{}
	rec := &counts{}
	var log strings.Builder
	var changes []string
	l := New(Options[string]{
		Name: "thing", Load: src.load, Recorder: rec,
		Log: slog.New(slog.NewTextHandler(&log, nil)),
		Now: func() time.Time { clock = clock.Add(time.Minute); return clock },
	})
	l.OnChange(func(v Version[string]) { changes = append(changes, v.Value) })

	steps := []struct {
		name      string
		text      string
		err       error
		wantValue string
		wantErr   string
		good, bad int
	}{
		{"nothing good yet", "", errors.New("no file"), "", "no file", 0, 1},
		{"first", "a", nil, "a", "", 1, 1},
		{"the same again", "a", nil, "a", "", 1, 1},
		{"a change", "b", nil, "b", "", 2, 1},
		{"a bad one", "", errors.New("line 3: bad"), "b", "line 3: bad", 2, 2},
		{"the same bad one is counted once", "", errors.New("line 3: bad"), "b", "line 3: bad", 2, 2},
		{"another bad one", "", errors.New("line 4: bad"), "b", "line 4: bad", 2, 3},
		{"back to what is in force", "b", nil, "b", "", 3, 3},
		{"a change after trouble", "c", nil, "c", "", 4, 3},
	}
	for _, s := range steps {
		src.set(s.text, s.err)
		err := l.Reload(t.Context())
		if got := errText(err); got != s.wantErr {
			t.Errorf("%s: error %q, want %q", s.name, got, s.wantErr)
		}
		if got := errText(l.State().Err); got != s.wantErr {
			t.Errorf("%s: state says %q, want %q", s.name, got, s.wantErr)
		}
		if l.State().FailedAt.IsZero() != (s.wantErr == "") {
			t.Errorf("%s: failed at %v", s.name, l.State().FailedAt)
		}
		got := ""
		if v := l.Current(); v != nil {
			got = v.Value
			if v.Hash != "hash of "+got || l.State().Hash != v.Hash || v.LoadedAt.IsZero() {
				t.Errorf("%s: version %+v, state %+v", s.name, v, l.State())
			}
		}
		if got != s.wantValue {
			t.Errorf("%s: %q in force, want %q", s.name, got, s.wantValue)
		}
		if rec.good != s.good || rec.bad != s.bad {
			t.Errorf("%s: counted %d good, %d bad, want %d, %d", s.name, rec.good, rec.bad, s.good, s.bad)
		}
	}
	if got := strings.Join(changes, ""); got != "abc" {
		t.Errorf("told of changes %q, want abc", got)
	}
	if got := strings.Count(log.String(), "last good one stays"); got != 2 {
		t.Errorf("%d log lines about the bad ones, want one for each:\n%s", got, &log)
	}
	if strings.Contains(log.String(), "no file") {
		t.Errorf("a failed first load is for the caller to tell, not for the log:\n%s", &log)
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestRunDebounces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{text: "a"}
		l := New(Options[string]{Name: "thing", Load: src.load, Debounce: 100 * time.Millisecond})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- l.Run(ctx) }()

		// A burst is one load, a debounce after its end.
		for range 5 {
			l.Poke()
			time.Sleep(50 * time.Millisecond)
			synctest.Wait()
		}
		if src.loaded() != 0 {
			t.Errorf("%d loads within the burst, want none", src.loaded())
		}
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		if src.loaded() != 1 || l.Current() == nil {
			t.Errorf("%d loads after the burst, want 1", src.loaded())
		}

		// A source that never rests is loaded all the same.
		for range 25 {
			l.Poke()
			time.Sleep(50 * time.Millisecond)
		}
		synctest.Wait()
		if src.loaded() != 2 {
			t.Errorf("%d loads while changes kept coming for 1.25 s, want 2", src.loaded())
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestRunStopsWhileItSettles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{text: "a"}
		l := New(Options[string]{Name: "thing", Load: src.load, Debounce: time.Hour})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- l.Run(ctx) }()
		l.Poke()
		synctest.Wait()
		cancel()
		if err := <-done; err != nil || src.loaded() != 0 {
			t.Errorf("Run: %v, %d loads, want a clean end and none", err, src.loaded())
		}
	})
}

func TestRunWithoutLoad(t *testing.T) {
	if err := New(Options[int]{}).Run(t.Context()); err == nil {
		t.Error("no error")
	}
}

// A content that is not complete changes nothing, is shown, and is looked at again
// when its time has come.
func TestLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{text: "a"}
		rec := &counts{}
		l := New(Options[string]{Name: "thing", Load: src.load, Recorder: rec})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- l.Run(ctx) }()
		want := func(what, value, waiting string, loads int) {
			t.Helper()
			synctest.Wait()
			if got := l.Current().Value; got != value || l.State().Waiting != waiting || src.loaded() != loads {
				t.Errorf("%s: %q in force, waiting for %q, %d loads; want %q, %q, %d", what, got, l.State().Waiting, src.loaded(), value, waiting, loads)
			}
		}
		poke := func() {
			l.Poke()
			time.Sleep(defaultDebounce)
			synctest.Wait()
		}
		poke()
		want("the first", "a", "", 1)

		src.set("b", &Later{Wait: time.Minute, Reason: "the other half"})
		poke()
		want("half of a change", "a", "the other half", 2)
		time.Sleep(time.Minute - time.Millisecond)
		want("not yet", "a", "the other half", 2)
		src.set("b", nil)
		time.Sleep(time.Millisecond)
		want("when its time has come", "b", "", 3)

		src.set("c", &Later{Wait: time.Minute, Reason: "the other half"})
		poke()
		src.set("c", nil)
		poke()
		want("the other half comes before", "c", "", 5)
		time.Sleep(time.Hour)
		want("nothing is left to wait for", "c", "", 5)

		src.set("", errors.New("bad"))
		poke()
		src.set("", &Later{Wait: time.Minute, Reason: "the other half"})
		poke()
		if err := l.State().Err; errText(err) != "bad" || rec.good != 3 || rec.bad != 1 {
			t.Errorf("waiting after a refusal: state says %v, counted %+v", err, rec)
		}
		src.set("c", nil)
		poke()
		want("back to what is in force", "c", "", 8)
		if err := l.State().Err; err != nil {
			t.Errorf("still refused: %v", err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}
