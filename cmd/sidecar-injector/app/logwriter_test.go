package app

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestLogWriterKeepsTheOrderAndTheEnd(t *testing.T) {
	var out output
	w := newLogWriter(&out, func(n int64) { t.Errorf("%d lines dropped", n) })
	var want strings.Builder
	for i := range 1000 {
		line := fmt.Sprintf("line %d\n", i)
		want.WriteString(line)
		_, _ = io.WriteString(w, line)
	}
	w.Close()
	if out.String() != want.String() {
		t.Errorf("written %d bytes of %d", len(out.String()), want.Len())
	}
	_, _ = io.WriteString(w, "too late\n")
	if w.Dropped() != 1 {
		t.Errorf("%d dropped, want the one after the end", w.Dropped())
	}
}

// TestLogWriterNeverWaits has a reader that does not read, as a full pipe.
func TestLogWriterNeverWaits(t *testing.T) {
	pipe, to := io.Pipe()
	told := make(chan int64, 1)
	w := newLogWriter(to, func(n int64) { told <- n })
	line := strings.Repeat("x", 1023) + "\n"
	const lines = 3 * maxPendingLog / 1024
	for range lines {
		_, _ = io.WriteString(w, line)
	}
	dropped := w.Dropped()
	if dropped < lines/3 || dropped > lines*2/3+1 {
		t.Errorf("%d of %d dropped", dropped, lines)
	}
	go func() { _, _ = io.Copy(io.Discard, pipe) }()
	if n := <-told; n != dropped {
		t.Errorf("told of %d, dropped were %d", n, dropped)
	}
	w.Close()
}
