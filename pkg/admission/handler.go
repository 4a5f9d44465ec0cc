package admission

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cut"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

// maxBodyBytes is the largest AdmissionReview that is read. An object may be
// 3 MiB in the API server, and on an update the review holds the old one and
// the new one; what else there is (user, groups, extra, options) is small, and
// gets one MiB.
const maxBodyBytes = 2*(3<<20) + 1<<20

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
	// Parallel is how many small requests, and how many large ones, are handled at one
	// time; the others wait and hold only their body. Zero means no limit but that of
	// their memory. Handling a pod needs a processor, so a number far above that of the
	// processors gains nothing.
	Parallel int
	// Limits of what is open at one time.
	Limits Limits
	// Peer names whoever sent a request, and says from which address, for the log: what
	// is short is divided among peers. Nil counts all callers as one.
	Peer func(*http.Request) (name, address string)
	// InFlight is told the changes, +1 and -1, of the number of requests whose body is
	// in and that are not answered yet; may be nil.
	InFlight func(delta int)
	// Rejected is told of each call that a limit turned away; may be nil.
	Rejected func(*Rejection)
}

// NewHandler returns the handler for POST /inject and the paths below it. What
// follows /inject in the path is the engine's to read.
func NewHandler(cfg Config) http.Handler {
	h := newHandler(cfg, max(cfg.Parallel, minKept))
	h.handle, h.cost = h.handlePod, inject.MemoryFor
	return h
}

// newHandler returns a handler that does not know yet what it decides, and keeps so
// many buffers.
func newHandler(cfg Config, buffers int) *handler {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Peer == nil {
		cfg.Peer = func(*http.Request) (name, address string) { return "", "" }
	}
	if cfg.InFlight == nil {
		cfg.InFlight = func(int) {}
	}
	if cfg.Rejected == nil {
		cfg.Rejected = func(*Rejection) {}
	}
	return &handler{cfg: cfg, room: newRoom(cfg.Limits, cfg.Parallel), buffers: make(chan *bytes.Buffer, buffers)}
}

type handler struct {
	cfg     Config
	room    *room
	buffers chan *bytes.Buffer // for other requests to use
	// cost estimates the memory that a review takes, and handle decides about it.
	cost   func(body []byte) int64
	handle func(ctx context.Context, req *request, path string) (response, Event)
}

// httpError is why a call is answered with an HTTP error and not with a review.
type httpError struct {
	status  int
	message string
}

func (e *httpError) Error() string { return e.message }

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := h.cfg.Now()
	peer, address := h.cfg.Peer(r)
	c := h.room.newCall(w, r, peer)
	defer c.end()
	buf := h.buffer()
	ev, err := h.serve(c, w, r, buf)
	if err != nil && c.stage.Load() == stageReading {
		// Else net/http would wait for the rest of the body before it sends the answer.
		w.Header().Set("Connection", "close")
	}
	var rejection *Rejection
	switch {
	case errors.As(err, &rejection):
		h.release(buf)
		ev = Event{HTTPStatus: rejection.status(), Error: rejection.Message, Limit: rejection.Limit}
		w.Header().Set("Retry-After", "1")
		http.Error(w, rejection.Message, ev.HTTPStatus)
		h.cfg.Rejected(rejection)
	case err != nil:
		h.release(buf)
		failed := asHTTPError(err)
		ev.HTTPStatus, ev.Error = failed.status, failed.message
		writeError(w, failed)
	default:
		ev.HTTPStatus = http.StatusOK
		h.send(c, w, buf)
	}
	ev.Peer, ev.Address, ev.Duration = peer, address, h.cfg.Now().Sub(start)
	h.cfg.Observe(ev)
}

// send sends the answer in buf.
func (h *handler) send(c *call, w http.ResponseWriter, buf *bytes.Buffer) {
	c.answers(buf.Cap())
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
	_ = c.control.Flush()
}

// asHTTPError returns how an error other than a rejection is answered.
func asHTTPError(err error) *httpError {
	var h *httpError
	if !errors.As(err, &h) {
		h = &httpError{http.StatusServiceUnavailable, "the caller has gone"}
	}
	return h
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
// answer. The event of an error has no more than what a panic left.
func (h *handler) serve(c *call, w http.ResponseWriter, r *http.Request, buf *bytes.Buffer) (Event, error) {
	if err := h.room.checkCall(r); err != nil {
		return Event{}, err
	}
	if err := c.readBody(w, r, buf); err != nil {
		c.turnAway()
		return Event{}, err
	}
	if err := c.enter(); err != nil {
		return Event{}, err
	}
	h.cfg.InFlight(1)
	defer h.cfg.InFlight(-1)
	done, err := c.begin(h.cost(buf.Bytes()))
	if err != nil {
		return Event{}, err
	}
	defer done()
	return h.answer(c.ctx, buf, r.URL.Path)
}

// answer decides about the review in buf and writes the answer there. A panic
// outside of what is done for one pod has no review to answer with.
func (h *handler) answer(ctx context.Context, buf *bytes.Buffer, path string) (ev Event, err error) {
	defer func() {
		if p := recover(); p != nil {
			ev = Event{Stack: stack()}
			err = &httpError{http.StatusInternalServerError, cut.Line(fmt.Sprintf("panic: %v", p), maxError)}
		}
	}()
	rev, decodeErr := decodeReview(buf.Bytes())
	if decodeErr != nil {
		return Event{}, &httpError{http.StatusBadRequest, cut.Line(decodeErr.Error(), maxError)}
	}
	if n := len(rev.Request.UID); n > maxUID {
		return Event{}, &httpError{http.StatusBadRequest, fmt.Sprintf("field request.uid has %d bytes, more than %d: API servers send 36", n, maxUID)}
	}
	resp, ev := h.handle(ctx, rev.Request, path)
	out := reviewResponse{APIVersion: rev.APIVersion, Kind: rev.Kind, Response: resp}
	buf.Reset()
	if err := out.write(buf); err != nil {
		return Event{}, &httpError{http.StatusInternalServerError, cut.Line("the answer cannot be encoded: "+err.Error(), maxError)}
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
func (m *room) checkCall(r *http.Request) error {
	if r.Method != http.MethodPost {
		return &httpError{http.StatusMethodNotAllowed, fmt.Sprintf("method %s is not allowed here: use POST", cut.Line(r.Method, maxQuoted))}
	}
	if contentType := r.Header.Get("Content-Type"); !isJSON(contentType) {
		return &httpError{http.StatusUnsupportedMediaType, fmt.Sprintf("content type %q is not understood: use application/json", cut.Line(contentType, maxQuoted))}
	}
	if r.ContentLength > m.maxBody {
		return m.tooLarge()
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

func (m *room) tooLarge() *httpError {
	return &httpError{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes: no AdmissionReview of a %s that can be stored is", m.maxBody, m.what)}
}
