package memory

import (
	"fmt"
	"io"

	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/figures"
)

// The targets: MiB and milliseconds.
const (
	IdleTarget  = 30
	OpenTarget  = 64
	ReadyTarget = 150
)

// Print writes what was measured and one line with the verdicts.
func Print(w io.Writer, m figures.Memory) error {
	peaks := Halves(m.Samples)
	fmt.Fprintf(w, "%s, %d processors, %s, load %.1f; pod %s, configuration: %s\n",
		m.Machine.Processor, m.Machine.Processors, m.Machine.Go, m.Machine.Load, m.Pod, m.Origin)
	fmt.Fprintf(w, "ready %.0f ms after the start (median of %d)\n", m.ReadyMilliseconds, m.Starts)
	fmt.Fprintf(w, "resident: idle %.1f MiB, peak with %d requests open at once %.1f MiB (%d not answered)\n",
		m.Idle, m.OpenRequests, m.Open, m.OpenFailed)
	if m.SimplestOpen > 0 {
		fmt.Fprintf(w, "the simplest webhook of Go's HTTP server, which only answers 'allowed': %.1f and %.1f MiB\n", m.SimplestIdle, m.SimplestOpen)
	}
	fmt.Fprintf(w, "%d requests at %.0f per second, %.0f µs of the server's processor time each, %d failed; peak of each part in MiB:\n",
		m.Requests, m.PerSecond, m.CPUMicroseconds, m.Failed)
	for _, s := range m.Samples {
		fmt.Fprintf(w, " %.1f", s.MiB)
	}
	fmt.Fprintf(w, "\npeak after %d requests %.1f MiB, after %d requests %.1f MiB: %s\n",
		peaks.FirstEnd, peaks.First, peaks.SecondEnd, peaks.Second, flat(peaks.Flat()))
	_, err := fmt.Fprintf(w, "bench-memory: idle %.1f MiB %s, %d open %.1f MiB %s, %.1f -> %.1f MiB over %d requests %s, ready %.0f ms %s, failed %d %s\n",
		m.Idle, atMost(m.Idle, IdleTarget), m.OpenRequests, m.Open, atMost(m.Open, OpenTarget),
		peaks.First, peaks.Second, m.Requests, word(peaks.Flat()), m.ReadyMilliseconds, atMost(m.ReadyMilliseconds, ReadyTarget),
		m.Failed+m.OpenFailed, word(m.Failed+m.OpenFailed == 0))
	return err
}

func atMost(value, target float64) string {
	return fmt.Sprintf("(<= %.0f %s)", target, verdict(value <= target))
}

func flat(is bool) string {
	if is {
		return "flat"
	}
	return "not flat"
}

func word(ok bool) string { return "(" + verdict(ok) + ")" }

func verdict(ok bool) string {
	if ok {
		return "ok"
	}
	return "MISSED"
}
