package app

import (
	"io"
	"sync"
	"time"
)

const (
	// maxPendingLog is how many bytes of log lines wait to be written: some thousand
	// lines, which is what comes while a node is busy for a moment.
	maxPendingLog = 1 << 20
	// lastLog is how long the last lines may take to be written at the end.
	lastLog = time.Second
)

// logWriter writes log lines on a goroutine of its own. Nobody who logs waits for
// whoever reads standard error: when that one stops reading, lines are dropped and
// counted, and requests go on.
type logWriter struct {
	to   io.Writer
	wake chan struct{} // holds one element when there is something to do
	done chan struct{} // closed when all is written

	mu      sync.Mutex // guards what follows, never held while writing
	pending []byte
	dropped int64 // in all
	untold  int64 // dropped since that was logged
	closed  bool
}

// newLogWriter returns a writer to an underlying one. tell logs how many lines were
// dropped, when lines can be written again; it may write to the logWriter.
func newLogWriter(to io.Writer, tell func(lines int64)) *logWriter {
	w := &logWriter{to: to, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go w.run(tell)
	return w
}

// Write implements io.Writer for one line. It never fails and never waits.
func (w *logWriter) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || len(w.pending)+len(line) > maxPendingLog {
		w.dropped++
		w.untold++
		return len(line), nil
	}
	w.pending = append(w.pending, line...)
	w.poke()
	return len(line), nil
}

// Dropped returns how many lines were dropped.
func (w *logWriter) Dropped() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dropped
}

// Close writes what is pending, if that can be done in a moment.
func (w *logWriter) Close() {
	w.mu.Lock()
	w.closed = true
	w.poke()
	w.mu.Unlock()
	select {
	case <-w.done:
	case <-time.After(lastLog):
	}
}

func (w *logWriter) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *logWriter) run(tell func(lines int64)) {
	defer close(w.done)
	var spare []byte
	for range w.wake {
		w.mu.Lock()
		lines, closed := w.pending, w.closed
		w.pending = spare[:0]
		w.mu.Unlock()
		_, _ = w.to.Write(lines) // there is nowhere to tell
		if closed {
			return
		}
		spare = lines
		w.mu.Lock()
		untold := w.untold
		w.untold = 0
		w.mu.Unlock()
		if untold > 0 {
			tell(untold)
		}
	}
}
