package memory

import (
	"fmt"
	"io"

	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/figures"
)

// ReadyTarget is how long a start may take, in milliseconds.
const ReadyTarget = 150

// Print writes what was measured and two lines with the verdicts.
func Print(w io.Writer, m figures.Memory) error {
	peaks := Halves(m.Samples)
	fmt.Fprintf(w, "%s, %d processors, %s, load %.1f; pod %s, configuration: %s\n",
		m.Machine.Processor, m.Machine.Processors, m.Machine.Go, m.Machine.Load, m.Pod, m.Origin)
	fmt.Fprintf(w, "ready %.0f ms after the start (median of %d)\n", m.ReadyMilliseconds, m.Starts)
	fmt.Fprintf(w, "resident: idle %.1f MiB, peak with %d requests open at once %.1f MiB (%d not answered; medians of %d)\n",
		m.Idle, m.OpenRequests, m.Open, m.OpenFailed, m.Rounds)
	fmt.Fprintf(w, "the simplest webhook of Go's HTTP server, which only answers 'allowed': %.1f and %.1f MiB\n", m.SimplestIdle, m.SimplestOpen)
	fmt.Fprintln(w, "idle consists of, in MiB:")
	for _, part := range m.IdleParts {
		fmt.Fprintf(w, "%6.1f %s\n", part.MiB, part.What)
	}
	fmt.Fprintf(w, "%d requests at %.0f per second, %.0f µs of the server's processor time each, %d failed; peak of each part in MiB:\n",
		m.Requests, m.PerSecond, m.CPUMicroseconds, m.Failed)
	for _, s := range m.Samples {
		fmt.Fprintf(w, " %.1f", s.MiB)
	}
	fmt.Fprintf(w, "\npeak after %d requests %.1f MiB, after %d requests %.1f MiB: %s\n",
		peaks.FirstEnd, peaks.First, peaks.SecondEnd, peaks.Second, flat(peaks.Flat()))
	fmt.Fprintf(w, "bench-memory: growth ours %.1f MiB, simplest %.1f MiB, ratio %.2f (%.2f %s)\n",
		m.Growth(), m.SimplestGrowth(), m.GrowthRatio(), figures.GrowthTarget, verdict(m.GrowthRatio() <= figures.GrowthTarget))
	_, err := fmt.Fprintf(w, "bench-memory: idle %.1f MiB, %.1f -> %.1f MiB over %d requests %s, ready %.0f ms (<= %d %s), failed %d %s\n",
		m.Idle, peaks.First, peaks.Second, m.Requests, word(peaks.Flat()),
		m.ReadyMilliseconds, ReadyTarget, verdict(m.ReadyMilliseconds <= ReadyTarget),
		m.Failed+m.OpenFailed, word(m.Failed+m.OpenFailed == 0))
	return err
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
