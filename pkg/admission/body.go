package admission

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cut"
)

// A body that comes slower than this is not waited for: an API server sends reviews
// from memory, within a data center. Whoever sends nothing is cut after paceTime,
// and who sends little cannot stay much longer.
const (
	paceTime  = 5 * time.Second
	paceBytes = 64 << 10
)

// firstRead is how much memory a body gets before any of it is there. What it
// announces it gets as it comes, so that announcing costs the caller as much as it
// costs here.
const firstRead = 8 << 10

// readBody reads the call's body into buf, whose memory counts as it grows.
func (c *call) readBody(w http.ResponseWriter, r *http.Request, buf *bytes.Buffer) error {
	var err error
	if c.reading, err = c.hold(c.room.reading, limitReading, 1); err != nil {
		return err
	}
	if c.bytes, err = c.hold(c.room.bytes, limitBytes, 0); err != nil {
		return err
	}
	body := http.MaxBytesReader(w, r.Body, c.room.maxBody)
	for received := paceBytes; ; {
		if received >= paceBytes { // within the time: the next part has its own
			received = 0
			c.expectBytes()
		}
		if err := c.grow(buf, r.ContentLength); err != nil {
			return err
		}
		free := buf.AvailableBuffer()
		n, err := body.Read(free[:cap(free)])
		buf.Write(free[:n]) // it is there already
		received += n
		if err == io.EOF {
			// What is read from here on is whether the caller is still there.
			_ = c.control.SetReadDeadline(time.Time{})
			return nil
		}
		if err != nil {
			return c.bodyError(err)
		}
	}
}

// expectBytes sets when the next part must be there.
func (c *call) expectBytes() {
	next := time.Now().Add(c.room.paceTime)
	if end, ok := c.ctx.Deadline(); ok && end.Before(next) {
		next = end
	}
	_ = c.control.SetReadDeadline(next)
	// A call that had to yield before that must not wait for it.
	if c.ctx.Err() != nil {
		_ = c.control.SetReadDeadline(time.Unix(1, 0))
	}
}

// grow makes sure that there is room in buf to read, or to find the end. declared is
// the body's length, or -1.
func (c *call) grow(buf *bytes.Buffer, declared int64) error {
	size := int64(buf.Cap())
	if int64(buf.Len())+bytes.MinRead > size {
		size = max(firstRead, 2*size)
		if declared >= 0 {
			size = min(size, declared+bytes.MinRead)
		}
		size = max(size, int64(buf.Len())+bytes.MinRead)
	}
	if size > smallBody && !c.giant {
		size = max(size, declared+bytes.MinRead)
		if err := c.becomeGiant(size); err != nil {
			return err
		}
	}
	if more := size - c.held; more > 0 {
		if !c.bytes.Grow(more) {
			if err := context.Cause(c.ctx); err != nil {
				return err
			}
			return c.room.rejection(c.peer, limitBytes)
		}
		c.held = size
	}
	if size > int64(buf.Cap()) {
		larger := bytes.NewBuffer(make([]byte, 0, size))
		larger.Write(buf.Bytes())
		*buf = *larger
	}
	return nil
}

// becomeGiant moves the call to those with large bodies or answers, and holds an
// amount there.
func (c *call) becomeGiant(amount int64) error {
	if c.giant {
		return nil
	}
	h, err := c.hold(c.room.giants, limitBytes, amount)
	if err != nil {
		return err
	}
	c.bytes.Release()
	c.bytes, c.held, c.giant = h, amount, true
	return nil
}

// drainTime is how long the rest of a body that is cut is waited for before the answer.
// net/http takes in up to 256 KiB of a rest, and closes the connection at once where it
// cannot: the caller, which still sends, would see a reset and no answer. For larger
// rests it waits for as long by itself.
const drainTime = 500 * time.Millisecond

// turnAway lets the caller send the rest of its body, so that it hears why that is not
// read. What the call holds is given back meanwhile.
func (c *call) turnAway() {
	c.stage.Store(stageWaiting) // there is nothing to interrupt any more
	_ = c.control.SetReadDeadline(time.Now().Add(drainTime))
}

// bodyError says why a body could not be read.
func (c *call) bodyError(err error) error {
	var large *http.MaxBytesError
	var yielded *Rejection
	switch {
	case errors.As(err, &large):
		return c.room.tooLarge()
	case errors.As(context.Cause(c.ctx), &yielded) && yielded.Limit != limitTime:
		return yielded
	case errors.Is(err, os.ErrDeadlineExceeded):
		return c.room.rejection(c.peer, limitPace)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &httpError{http.StatusBadRequest, "the body ended before its Content-Length"}
	default:
		return &httpError{http.StatusBadRequest, "the body cannot be read: " + cut.Line(err.Error(), maxQuoted)}
	}
}
