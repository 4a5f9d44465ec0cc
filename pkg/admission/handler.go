// Package admission is the webhook's edge: AdmissionReview in, AdmissionReview
// out. It checks the call, hands the pod to the engine, and turns the engine's
// result into an answer, an event for the observer, and nothing else.
package admission

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

// MaxBodyBytes is the largest AdmissionReview that is read. An object may be
// 3 MiB in the API server, and on an update the review holds the old one and
// the new one; what else there is (user, groups, extra, options) is small, and
// gets one MiB.
const MaxBodyBytes = 2*(3<<20) + 1<<20

// How long a call may wait for its turn: as long as its caller waits, who says
// so in the query; Kubernetes' own default for webhooks when he does not; and
// no longer than the longest that Kubernetes allows.
const (
	usualWait = 10 * time.Second
	maxWait   = 30 * time.Second
)

// keepBuffer is the largest buffer that is kept for another request. Most reviews
// and answers are some 10 KiB; a rare giant must not stay in memory for ever.
const keepBuffer = 256 << 10

// keepSpare is the least number of buffers that are kept. A sync.Pool would keep
// all that a burst has needed, a thousand at times, for two collections.
const keepSpare = 8

// Engine is what decides and injects; *inject.Snapshot is one. Its methods are
// called at the same time from many goroutines. What Inject returns must not
// hold the request's Object, whose memory is used again.
type Engine interface {
	Inject(inject.Request) inject.Result
	Hash() string
}

// Config of the handler. Engine and Observe are required.
type Config struct {
	// Engine returns the engine in force, or nil when there is none yet. It is
	// called once for each request and must not wait.
	Engine func() Engine
	// Observe is called once for each request, after the answer is written.
	Observe func(Event)
	// Now defaults to time.Now.
	Now func() time.Time
	// Parallel is how many requests may be worked on at one time, the others wait
	// holding only their body; zero means no limit. Working on a pod needs a
	// processor and a hundred times the body's memory, so more at a time than
	// there are processors gain nothing.
	Parallel int
}

// NewHandler returns the handler for POST /inject and the paths below it. What
// follows /inject in the path is the engine's to read.
func NewHandler(cfg Config) http.Handler {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	h := &handler{cfg: cfg, spare: make(chan *bytes.Buffer, max(cfg.Parallel, keepSpare))}
	if cfg.Parallel > 0 {
		h.turns = make(chan struct{}, cfg.Parallel)
	}
	return h
}

type handler struct {
	cfg   Config
	spare chan *bytes.Buffer
	turns chan struct{}
}

// callError is a call that cannot be answered with a review.
type callError struct {
	status   int
	sentence string
}

func (e *callError) Error() string { return e.sentence }

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := h.cfg.Now()
	var ev Event
	buf := h.buffer()
	answer, err := h.answer(w, r, buf, &ev)
	if err != nil {
		h.release(buf)
		ev.HTTPStatus, ev.Error = err.status, err.sentence
		if err.status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", http.MethodPost)
		}
		if err.status == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", "1")
		}
		http.Error(w, err.sentence, err.status)
	} else {
		ev.HTTPStatus = http.StatusOK
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
		// A caller that went away is no news: the API server times out by itself.
		// But net/http may then still be about to write, so the memory is not used again.
		if _, err := w.Write(answer); err == nil {
			h.release(buf)
		}
		// The observer may take its time, the caller need not wait for it. Where the
		// answer cannot be sent at once, it is sent when the handler returns.
		_ = http.NewResponseController(w).Flush()
	}
	ev.Duration = h.cfg.Now().Sub(start)
	h.cfg.Observe(ev)
}

// answer returns the answer to a call. It reads the body into buf, and when that
// is done with, writes the answer there.
func (h *handler) answer(w http.ResponseWriter, r *http.Request, buf *bytes.Buffer, ev *Event) ([]byte, *callError) {
	if err := checkCall(r); err != nil {
		return nil, err
	}
	if err := readBody(w, r, buf); err != nil {
		return nil, err
	}
	done, err := h.turn(r)
	if err != nil {
		return nil, err
	}
	defer done()

	rev, decodeErr := decodeReview(buf.Bytes())
	if decodeErr != nil {
		return nil, &callError{http.StatusBadRequest, decodeErr.Error()}
	}
	out := reviewResponse{APIVersion: rev.APIVersion, Kind: rev.Kind, Response: h.decideReview(rev, r.URL.Path, ev)}
	buf.Reset()
	buf.Grow(out.size())
	return out.append(buf.AvailableBuffer()), nil
}

// buffer returns an empty buffer, a spare one if there is any.
func (h *handler) buffer() *bytes.Buffer {
	select {
	case buf := <-h.spare:
		return buf
	default:
		return new(bytes.Buffer)
	}
}

// release makes a buffer spare, unless there are enough.
func (h *handler) release(buf *bytes.Buffer) {
	if buf.Cap() > keepBuffer {
		return
	}
	buf.Reset()
	select {
	case h.spare <- buf:
	default:
	}
}

// checkCall looks at everything that can be known before the body is read.
func checkCall(r *http.Request) *callError {
	if r.Method != http.MethodPost {
		return &callError{http.StatusMethodNotAllowed, fmt.Sprintf("method %s is not allowed here: use POST", clip(r.Method))}
	}
	if contentType := r.Header.Get("Content-Type"); !isJSON(contentType) {
		return &callError{http.StatusUnsupportedMediaType, fmt.Sprintf("content type %q is not understood: use application/json", clip(contentType))}
	}
	if r.ContentLength > MaxBodyBytes {
		return tooLarge()
	}
	return nil
}

func isJSON(contentType string) bool {
	if contentType == "application/json" { // what API servers send
		return true
	}
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && media == "application/json"
}

func tooLarge() *callError {
	return &callError{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes: no AdmissionReview of a pod that can be stored is", MaxBodyBytes)}
}

func readBody(w http.ResponseWriter, r *http.Request, buf *bytes.Buffer) *callError {
	if r.ContentLength > 0 {
		// One byte more, so that the end is found without growing.
		buf.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	_, err := buf.ReadFrom(http.MaxBytesReader(w, r.Body, MaxBodyBytes))
	var large *http.MaxBytesError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &large):
		return tooLarge()
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &callError{http.StatusBadRequest, "the body ended before its Content-Length"}
	default:
		return &callError{http.StatusBadRequest, "the body cannot be read: " + err.Error()}
	}
}

// turn waits until a request may be worked on, but not longer than its caller
// waits for the answer. The caller says how long in the query, as API servers
// do. The returned function gives the turn back.
func (h *handler) turn(r *http.Request) (func(), *callError) {
	if h.turns == nil {
		return func() {}, nil
	}
	done := func() { <-h.turns }
	select {
	case h.turns <- struct{}{}:
		return done, nil
	default:
	}
	wait := usualWait
	if d, err := time.ParseDuration(r.URL.Query().Get("timeout")); err == nil && d > 0 {
		wait = min(d, maxWait)
	}
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	select {
	case h.turns <- struct{}{}:
		return done, nil
	case <-ctx.Done():
		return nil, &callError{http.StatusServiceUnavailable, "too busy to work on this request in time: try again"}
	}
}
