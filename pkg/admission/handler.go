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

// A call waits for its turn no longer than its caller waits for the answer, who
// says so in the query. These are the default and the maximum of a webhook's
// timeoutSeconds in Kubernetes.
const (
	defaultTimeout = 10 * time.Second
	maxTimeout     = 30 * time.Second
)

// maxKeptSize is the largest buffer that is kept for another request. Most reviews
// and answers are some 10 KiB; a rare giant must not stay in memory for ever.
const maxKeptSize = 256 << 10

// minKept is how many buffers may be kept when Parallel is lower. A sync.Pool
// would keep all that a burst has needed, a thousand at times, for two collections.
const minKept = 8

// Engine decides and injects; [inject.Snapshot] is one. Its methods are called
// from many goroutines at the same time. The result of Inject must not refer to
// the request's Object, whose memory is used again.
type Engine interface {
	Inject(context.Context, inject.Request) inject.Result
	Hash() string
}

// Config of the handler. Engine and Observe are required.
type Config struct {
	// Engine returns the engine in force, or nil when there is none yet. It is
	// called once for each pod and must not wait.
	Engine func() Engine
	// Observe is called once for each request, after the answer is written.
	Observe func(Event)
	// Now defaults to time.Now.
	Now func() time.Time
	// Parallel is how many requests are handled at one time; the others wait and
	// hold only their body. Zero means no limit. Handling a pod needs a processor
	// and a hundred times the body's memory, so a number above that of the
	// processors costs memory and gains nothing.
	Parallel int
}

// NewHandler returns the handler for POST /inject and the paths below it. What
// follows /inject in the path is the engine's to read.
func NewHandler(cfg Config) http.Handler {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	h := &handler{cfg: cfg, buffers: make(chan *bytes.Buffer, max(cfg.Parallel, minKept))}
	if cfg.Parallel > 0 {
		h.slots = make(chan struct{}, cfg.Parallel)
	}
	return h
}

type handler struct {
	cfg     Config
	buffers chan *bytes.Buffer // for other requests to use
	slots   chan struct{}      // one element for each request being handled; nil for no limit
}

// httpError is why a call is answered with an HTTP error and not with a review.
type httpError struct {
	status  int
	message string
}

func (e *httpError) Error() string { return e.message }

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := h.cfg.Now()
	buf := h.buffer()
	ev, err := h.serve(w, r, buf)
	if err != nil {
		h.release(buf)
		ev = Event{HTTPStatus: err.status, Error: err.message}
		writeError(w, err)
	} else {
		ev.HTTPStatus = http.StatusOK
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(buf.Len()))
		// An error means that the caller went away, which the API server reports by
		// itself. But net/http may then still be about to read the buffer, so it is
		// not used again.
		if _, err := w.Write(buf.Bytes()); err == nil {
			h.release(buf)
		}
		// The caller need not wait for the observer. Where the answer cannot be sent
		// at once, it is sent when the handler returns.
		_ = http.NewResponseController(w).Flush()
	}
	ev.Duration = h.cfg.Now().Sub(start)
	h.cfg.Observe(ev)
}

func writeError(w http.ResponseWriter, err *httpError) {
	switch err.status {
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", http.MethodPost)
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
	}
	http.Error(w, err.message, err.status)
}

// serve reads a call's body into buf and then, where the body was, writes the
// answer.
func (h *handler) serve(w http.ResponseWriter, r *http.Request, buf *bytes.Buffer) (Event, *httpError) {
	if err := checkCall(r); err != nil {
		return Event{}, err
	}
	if err := readBody(w, r, buf); err != nil {
		return Event{}, err
	}
	release, err := h.acquire(r.Context(), timeout(r))
	if err != nil {
		return Event{}, err
	}
	defer release()

	rev, decodeErr := decodeReview(buf.Bytes())
	if decodeErr != nil {
		return Event{}, &httpError{http.StatusBadRequest, decodeErr.Error()}
	}
	resp, ev := h.handle(r.Context(), rev.Request, r.URL.Path)
	out := reviewResponse{APIVersion: rev.APIVersion, Kind: rev.Kind, Response: resp}
	buf.Reset()
	if err := out.write(buf); err != nil {
		return Event{}, &httpError{http.StatusInternalServerError, "the answer cannot be encoded: " + err.Error()}
	}
	return ev, nil
}

// buffer returns an empty buffer, one that was released if there is any.
func (h *handler) buffer() *bytes.Buffer {
	select {
	case buf := <-h.buffers:
		return buf
	default:
		return new(bytes.Buffer)
	}
}

// release keeps a buffer for another request, unless there are enough.
func (h *handler) release(buf *bytes.Buffer) {
	if buf.Cap() > maxKeptSize {
		return
	}
	buf.Reset()
	select {
	case h.buffers <- buf:
	default:
	}
}

// checkCall checks what is known before the body is read.
func checkCall(r *http.Request) *httpError {
	if r.Method != http.MethodPost {
		return &httpError{http.StatusMethodNotAllowed, fmt.Sprintf("method %s is not allowed here: use POST", clip(r.Method))}
	}
	if contentType := r.Header.Get("Content-Type"); !isJSON(contentType) {
		return &httpError{http.StatusUnsupportedMediaType, fmt.Sprintf("content type %q is not understood: use application/json", clip(contentType))}
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

func tooLarge() *httpError {
	return &httpError{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes: no AdmissionReview of a pod that can be stored is", MaxBodyBytes)}
}

func readBody(w http.ResponseWriter, r *http.Request, buf *bytes.Buffer) *httpError {
	// ReadFrom wants MinRead bytes of room to find the end. The length is -1 when it
	// is not known.
	buf.Grow(int(max(r.ContentLength, 0)) + bytes.MinRead)
	_, err := buf.ReadFrom(http.MaxBytesReader(w, r.Body, MaxBodyBytes))
	var large *http.MaxBytesError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &large):
		return tooLarge()
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &httpError{http.StatusBadRequest, "the body ended before its Content-Length"}
	default:
		return &httpError{http.StatusBadRequest, "the body cannot be read: " + err.Error()}
	}
}

// acquire waits until a request may be handled, at most for timeout. The returned
// function lets the next one go on.
func (h *handler) acquire(ctx context.Context, timeout time.Duration) (release func(), _ *httpError) {
	if h.slots == nil {
		return func() {}, nil
	}
	release = func() { <-h.slots }
	select {
	case h.slots <- struct{}{}:
		return release, nil
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	select {
	case h.slots <- struct{}{}:
		return release, nil
	case <-ctx.Done():
		return nil, &httpError{http.StatusServiceUnavailable, "too busy to work on this request in time: try again"}
	}
}

// timeout returns how long the caller waits for an answer, which API servers say
// in the query.
func timeout(r *http.Request) time.Duration {
	d, err := time.ParseDuration(r.URL.Query().Get("timeout"))
	if err != nil || d <= 0 {
		return defaultTimeout
	}
	return min(d, maxTimeout)
}
