package benchdocs

import (
	"fmt"
	"math"
	"strings"

	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/figures"
)

const notRecorded = "Not recorded yet.\n"

// tables returns every table by the name of its mark.
func (r Recorded) tables() map[string]string {
	return map[string]string{
		"machine": r.machine(), "requests": r.requests(), "sizes": r.sizes(),
		"memory": r.memory(), "sizing": r.sizing(), "cluster": r.cluster(), "json": r.json(),
	}
}

func describe(what string, m figures.Machine) string {
	commit := m.Commit
	if commit == "" {
		commit = "not noted"
	}
	return fmt.Sprintf("| %s | %s | %s, %d processors, %s | %s | %.1f | %s |\n",
		what, m.Time.Format("2006-01-02 15:04"), m.Processor, m.Processors, m.Platform, m.Go, m.Load, commit)
}

func (r Recorded) machine() string {
	var b strings.Builder
	b.WriteString("| run | when (UTC) | machine | Go | load of other programs | commit |\n|---|---|---|---|---|---|\n")
	if r.Requests != nil {
		b.WriteString(describe("requests", r.Requests.Machine))
	}
	if r.Memory != nil {
		b.WriteString(describe("process", r.Memory.Machine))
	}
	if r.Cluster != nil {
		b.WriteString(describe("API server "+r.Cluster.Server, r.Cluster.Machine))
	}
	return b.String()
}

func (r Recorded) requests() string {
	if r.Requests == nil {
		return notRecorded
	}
	var b strings.Builder
	b.WriteString("| pod | dialect | floor | cold | times the floor | target | warm | times the floor | target |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, q := range r.Requests.Requests {
		fmt.Fprintf(&b, "| %s | %s | %s |", q.Pod, q.Dialect, cost(q.Floor))
		for _, c := range []figures.Cost{q.Cold, q.Warm} {
			fmt.Fprintf(&b, " %s | %.2f | %s |", cost(c), c.Ratio, target(c))
		}
		b.WriteString("\n")
	}
	return b.String()
}

func cost(c figures.Cost) string {
	return fmt.Sprintf("%.0f µs, %.0f allocs", c.CPU, c.Allocs)
}

func target(c figures.Cost) string {
	switch {
	case c.Target == 0:
		return "-"
	case c.Met():
		return fmt.Sprintf("%.3g: met", c.Target)
	}
	return fmt.Sprintf("%.3g: missed", c.Target)
}

func (r Recorded) sizes() string {
	if r.Requests == nil || len(r.Requests.Sizes) == 0 {
		return notRecorded
	}
	var b strings.Builder
	b.WriteString("| pod | review | floor | cold | warm | cold, times the floor | cold, memory allocated |\n|---|---|---|---|---|---|---|\n")
	for _, q := range r.Requests.Sizes {
		fmt.Fprintf(&b, "| %s | %.1f KB | %.0f µs | %.0f µs | %.0f µs | %.2f | %.0f KB |\n",
			q.Pod, float64(q.Bytes)/1000, q.Floor.CPU, q.Cold.CPU, q.Warm.CPU, q.Cold.Ratio, q.Cold.Bytes/1000)
	}
	return b.String()
}

func (r Recorded) memory() string {
	m := r.Memory
	if m == nil {
		return notRecorded
	}
	first, last := m.Samples[len(m.Samples)/5].MiB, m.Samples[len(m.Samples)-1].MiB
	var b strings.Builder
	fmt.Fprintf(&b, `| | measured | target |
|---|---|---|
| ready after the start (median of %d) | %.0f ms | 150 ms |
| resident memory, idle | %.1f MiB | |
| peak while %d requests are open at once | %.1f MiB | |
| the same two of the simplest webhook of Go's HTTP server | %.1f and %.1f MiB | |
| growth from idle to that peak, times the simplest webhook's | %.2f | %s |
| peak after %d and after %d requests | %.1f and %.1f MiB | flat |
| requests not answered with 200 | %d of %d | 0 |
| processor time of one request, TLS, metrics and log included | %.0f µs | |
| requests in a second, load generator on the same machine | %.0f | |

Idle consists of:

| | MiB |
|---|---|
`, m.Starts, m.ReadyMilliseconds, m.Idle, m.OpenRequests, m.Open, m.SimplestIdle, m.SimplestOpen,
		m.GrowthRatio(), target(figures.Cost{Ratio: m.GrowthRatio(), Target: figures.GrowthTarget}),
		m.Samples[len(m.Samples)/5].Requests, m.Requests, first, last,
		m.Failed+m.OpenFailed, m.Requests+m.OpenRequests*m.Rounds, m.CPUMicroseconds, m.PerSecond)
	for _, part := range m.IdleParts {
		fmt.Fprintf(&b, "| %s | %.1f |\n", part.What, part.MiB)
	}
	return b.String()
}

// sizing is what follows for the chart's resources: processor time by the rate of
// pods, memory by what was resident.
func (r Recorded) sizing() string {
	m := r.Memory
	if m == nil {
		return notRecorded
	}
	var b strings.Builder
	b.WriteString("| pods created in a second | processors needed |\n|---|---|\n")
	for _, rate := range []float64{1, 10, 100, 1000} {
		fmt.Fprintf(&b, "| %.0f | %.0fm |\n", rate, math.Ceil(rate*m.CPUMicroseconds/1000))
	}
	busy := m.Samples[len(m.Samples)-1].MiB
	fmt.Fprintf(&b, "\nMemory: %.0f MiB idle, %.0f MiB under steady load, %.0f MiB with %d requests open at once.\n", m.Idle, busy, m.Open, m.OpenRequests)
	return b.String()
}

func (r Recorded) cluster() string {
	if r.Cluster == nil {
		return notRecorded
	}
	var b strings.Builder
	b.WriteString("| who changes the pod | clients | p50 | times the constant patch | p90 | p99 | times the constant patch | pods per second |\n|---|---|---|---|---|---|---|---|\n")
	for _, c := range r.Cluster.Creations {
		fmt.Fprintf(&b, "| %s | %d | %.1f ms | %.2f | %.1f ms | %.1f ms | %.2f (%.2f to %.2f) | %.0f |\n",
			wayName(c.Way), c.Clients, c.P50, c.P50Ratio, c.P90, c.P99, c.P99Ratio, c.P99Low, c.P99High, c.PerSecond)
	}
	if s := r.Cluster.Restart; s != nil {
		fmt.Fprintf(&b, "\nTwo replicas behind a Service, one of them restarting %d times while %d clients create pods: %d created, %d not; p50 %.1f ms, p99 %.1f ms.\n",
			r.Cluster.Restarts, s.Clients, s.Created, s.Failed, s.P50, s.P99)
	}
	return b.String()
}

// wayName is how a way of mutation is called in documents.
func wayName(way string) string {
	switch way {
	case "none":
		return "nobody"
	case "allowed":
		return "a webhook that answers 'allowed'"
	case "constant":
		return "a webhook with a constant patch"
	case "injector":
		return "the injector"
	case "policy":
		return "a MutatingAdmissionPolicy"
	}
	return way
}

func (r Recorded) json() string {
	if len(r.JSON) == 0 {
		return notRecorded
	}
	var b strings.Builder
	b.WriteString("| library | pod | decode review and pod | allocs | times sigs.k8s.io/json | encode the answer | allocs |\n|---|---|---|---|---|---|---|\n")
	for _, c := range r.JSON {
		encode := "- | -"
		if c.EncodeNanoseconds > 0 {
			encode = fmt.Sprintf("%.0f µs | %.0f", c.EncodeNanoseconds/1000, c.EncodeAllocs)
		}
		fmt.Fprintf(&b, "| %s | %s | %.0f µs | %.0f | %.2f | %s |\n",
			c.Library, c.Pod, c.DecodeNanoseconds/1000, c.DecodeAllocs, c.DecodeRatio, encode)
	}
	return b.String()
}
