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
	if err := readBody(httptest.NewRecorder(), r, &buf); err != nil {
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

func TestAcquire(t *testing.T) {
	h := newTestHandler(2)
	first, err := h.acquire(t.Context(), time.Nanosecond)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.acquire(t.Context(), time.Nanosecond); err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.acquire(gone, time.Hour); err == nil || err.status != http.StatusServiceUnavailable {
		t.Errorf("a third of two, whose caller is gone: %v", err)
	}
	if _, err := h.acquire(t.Context(), time.Nanosecond); err == nil {
		t.Error("a third of two")
	}
	got := make(chan *httpError)
	go func() {
		_, err := h.acquire(t.Context(), time.Minute)
		got <- err
	}()
	first()
	if err := <-got; err != nil {
		t.Errorf("after one was released: %v", err)
	}
	unlimited := newTestHandler(0)
	for range 3 {
		release, err := unlimited.acquire(t.Context(), time.Nanosecond)
		if err != nil {
			t.Fatal(err)
		}
		release()
	}
}
