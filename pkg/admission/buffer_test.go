package admission

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func newTestHandler(parallel int) *handler {
	return NewHandler(Config{Parallel: parallel, Engine: func() Engine { return &engine{result: injected} }, Observe: func(Event) {}}).(*handler)
}

func TestBuffersAreUsedAgain(t *testing.T) {
	h := newTestHandler(1)
	small := bytes.NewBuffer(make([]byte, 3, maxKeptSize))
	h.release(small)
	if got := h.buffer(); got != small || got.Len() != 0 {
		t.Errorf("got %p of %d bytes, want the released %p, empty", got, got.Len(), small)
	}
	h.release(bytes.NewBuffer(make([]byte, 0, maxKeptSize+1)))
	if got := h.buffer(); got.Cap() != 0 {
		t.Errorf("a buffer of %d bytes was kept", got.Cap())
	}
	for range minKept + 5 {
		h.release(new(bytes.Buffer))
	}
	if n := len(h.buffers); n != minKept {
		t.Errorf("%d buffers kept, want %d", n, minKept)
	}
	if n := cap(newTestHandler(100).buffers); n != 100 {
		t.Errorf("up to %d buffers are kept for 100 requests at a time", n)
	}
}

// brokenWriter is a caller that has gone away.
type brokenWriter struct{ httptest.ResponseRecorder }

func (*brokenWriter) Write([]byte) (int, error) { return 0, errors.New("gone") }

func TestBufferIsKeptUnlessTheAnswerMayStillBeWritten(t *testing.T) {
	h := newTestHandler(1)
	call := func(w http.ResponseWriter, body string) {
		r := httptest.NewRequest(http.MethodPost, "/inject", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		h.ServeHTTP(w, r)
	}
	good := reviewHead + `{"uid":"u","object":{}}}`
	for _, tt := range []struct {
		name string
		w    http.ResponseWriter
		body string
		kept int
	}{
		{"answered", httptest.NewRecorder(), good, 1},
		{"refused", httptest.NewRecorder(), "no review", 1},
		{"gone", &brokenWriter{*httptest.NewRecorder()}, good, 0},
	} {
		h.buffers = make(chan *bytes.Buffer, minKept)
		call(tt.w, tt.body)
		if n := len(h.buffers); n != tt.kept {
			t.Errorf("%s: %d buffers kept, want %d", tt.name, n, tt.kept)
		}
	}
}

// A body whose length is declared is read into one piece of memory.
func TestReadBodyGrowsOnce(t *testing.T) {
	const size = 100_000
	r := httptest.NewRequest(http.MethodPost, "/inject", strings.NewReader(strings.Repeat("x", size)))
	var buf bytes.Buffer
	c := newRoom(Limits{}, 1).newCall(httptest.NewRecorder(), r, "peer")
	defer c.end()
	if err := c.readBody(httptest.NewRecorder(), r, &buf); err != nil {
		t.Fatal(err)
	}
	if buf.Len() != size || buf.Cap() > size*11/10 {
		t.Errorf("read %d bytes into %d", buf.Len(), buf.Cap())
	}
}

func TestTimeout(t *testing.T) {
	for query, want := range map[string]time.Duration{
		"":              10 * time.Second,
		"?timeout=5s":   5 * time.Second,
		"?timeout=1ns":  1,
		"?timeout=30s":  30 * time.Second,
		"?timeout=31s":  30 * time.Second,
		"?timeout=0s":   10 * time.Second,
		"?timeout=-1s":  10 * time.Second,
		"?timeout=soon": 10 * time.Second,
	} {
		if got := timeout(httptest.NewRequest(http.MethodPost, "/inject"+query, nil)); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

func TestBudget(t *testing.T) {
	for query, want := range map[string]time.Duration{
		"":             9500 * time.Millisecond,
		"?timeout=30s": 29500 * time.Millisecond,
		"?timeout=5s":  4500 * time.Millisecond,
		"?timeout=1s":  900 * time.Millisecond,
	} {
		if got := budget(httptest.NewRequest(http.MethodPost, "/inject"+query, nil)); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

// begin starts the work of a call that has its body in.
func begin(ctx context.Context, t *testing.T, m *room, query string) (func(), error) {
	t.Helper()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/inject"+query, strings.NewReader("{}"))
	c := m.newCall(httptest.NewRecorder(), r, "peer")
	t.Cleanup(c.end)
	if err := c.readBody(httptest.NewRecorder(), r, new(bytes.Buffer)); err != nil {
		t.Fatal(err)
	}
	if err := c.enter(); err != nil {
		t.Fatal(err)
	}
	return c.begin(1)
}

func TestTurns(t *testing.T) {
	m := newRoom(Limits{}, 3) // one of them is for others than this peer
	first, err := begin(t.Context(), t, m, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := begin(t.Context(), t, m, ""); err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	defer cancel()
	got := make(chan error, 1)
	go func() {
		_, err := begin(gone, t, m, "")
		got <- err
	}()
	waiting(t, m, 1)
	cancel()
	if err := <-got; !errors.Is(err, context.Canceled) || asHTTPError(err).status != http.StatusServiceUnavailable {
		t.Errorf("one that waits and whose caller is gone: %v", err)
	}
	var late *Rejection
	if _, err := begin(t.Context(), t, m, "?timeout=10ms"); !errors.As(err, &late) || late.status() != http.StatusServiceUnavailable || late.Limit != limitTime {
		t.Errorf("one too many: %v", err)
	}
	go func() {
		_, err := begin(t.Context(), t, m, "?timeout=30s")
		got <- err
	}()
	waiting(t, m, 1)
	first()
	if err := <-got; err != nil {
		t.Errorf("after one was done: %v", err)
	}
	unlimited := newRoom(Limits{}, 0)
	for range 20 {
		if _, err := begin(t.Context(), t, unlimited, "?timeout=1s"); err != nil {
			t.Fatal(err)
		}
	}
}

// waiting waits until so many small requests wait for their turn.
func waiting(t *testing.T, m *room, n int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); m.small.Waiting() != n; time.Sleep(time.Millisecond) { // between looks
		if time.Now().After(deadline) {
			t.Fatalf("%d wait, want %d", m.small.Waiting(), n)
		}
	}
}
