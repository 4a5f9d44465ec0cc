package server

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func TestLimit(t *testing.T) {
	enter, leave := make(chan struct{}), make(chan struct{})
	var rejected []string
	var mu sync.Mutex
	var inFlight, most atomic.Int64
	h := Limit(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		enter <- struct{}{}
		<-leave
		_, _ = io.Copy(io.Discard, r.Body)
	}), Limits{
		Requests: 3, Bytes: 100, Unsized: 60,
		InFlight: func(d int) {
			if n := inFlight.Add(int64(d)); n > most.Load() {
				most.Store(n)
			}
		},
		Rejected: func(limit string) { mu.Lock(); defer mu.Unlock(); rejected = append(rejected, limit) },
	})
	var done sync.WaitGroup
	start := func(size int64) {
		done.Go(func() {
			req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(strings.Repeat("x", int(max(size, 0)))))
			req.ContentLength = size
			w := httptest.NewRecorder()
			h.ServeHTTP(w, req)
			if w.Code != http.StatusOK {
				t.Errorf("a request within the limits got %d", w.Code)
			}
		})
		<-enter
	}
	turnedAway := func(size int64, limit string) {
		t.Helper()
		req := httptest.NewRequest(http.MethodPost, "/", nil)
		req.ContentLength = size
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "1" || !strings.Contains(w.Body.String(), "try again") {
			t.Errorf("got %d, Retry-After %q, %q", w.Code, w.Header().Get("Retry-After"), w.Body)
		}
		if len(rejected) == 0 || rejected[len(rejected)-1] != limit {
			t.Errorf("rejected because of %v, want %s", rejected, limit)
		}
	}

	start(60)
	turnedAway(50, "bytes") // 60+50 > 100
	turnedAway(-1, "bytes") // counts 60
	start(30)
	start(10)
	turnedAway(0, "requests")
	if inFlight.Load() != 3 {
		t.Errorf("%d in flight, want 3", inFlight.Load())
	}
	for range 3 {
		leave <- struct{}{}
	}
	done.Wait()

	// What ended has given everything back: one of the largest fits again.
	start(-1)
	leave <- struct{}{}
	done.Wait()
	if inFlight.Load() != 0 || most.Load() != 3 || len(rejected) != 3 {
		t.Errorf("%d in flight, at most %d, %d rejected, want 0, 3, 3", inFlight.Load(), most.Load(), len(rejected))
	}
}

func TestLimitCountsNoMoreThanIsRead(t *testing.T) {
	// A body that the handler refuses to read must not need room for all of it.
	called := false
	h := Limit(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true }), Limits{Bytes: 100, Unsized: 50})
	req := httptest.NewRequest(http.MethodPost, "/", nil)
	req.ContentLength = 1 << 40
	h.ServeHTTP(httptest.NewRecorder(), req)
	if !called {
		t.Error("the handler had no chance to say what is wrong")
	}
}
