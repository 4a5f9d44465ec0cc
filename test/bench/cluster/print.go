package cluster

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/figures"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/measure"
)

// The targets, to the constant patch; and to the policy with policyClients and
// more.
const (
	P50Target     = 1.05
	P99Target     = 1.1
	policyClients = 4
)

// Verdict is one target, and whether it is met: "ok", "MISSED", or "open" where
// the rounds differ too much to tell.
type Verdict struct{ What, Word string }

// judge a ratio whose true value lies between low and high.
func judge(what string, ratio, low, high, target float64) Verdict {
	word := "open"
	switch {
	case high <= target:
		word = "ok"
	case low > target:
		word = "MISSED"
	}
	return Verdict{fmt.Sprintf("%s %.2f (%.2f to %.2f, wanted <= %.2f)", what, ratio, low, high, target), word}
}

// Verdicts of a run.
func Verdicts(f figures.Cluster) []Verdict {
	var out []Verdict
	for _, c := range f.Creations {
		if c.Way != Injector {
			continue
		}
		with := fmt.Sprintf("with %d clients", c.Clients)
		for _, other := range f.Creations {
			if other.Clients != c.Clients {
				continue
			}
			ratios := measure.Ratios(c.RoundP50, other.RoundP50)
			low, high := measure.Interval(ratios)
			switch {
			case other.Way == Constant:
				out = append(out, judge("p50 "+with+", times the constant patch's:", measure.Median(ratios), low, high, P50Target))
			case other.Way == Policy && c.Clients >= policyClients:
				out = append(out, judge("p50 "+with+", times the policy's:", measure.Median(ratios), low, high, 1))
			}
		}
		out = append(out, judge("p99 "+with+", times the constant patch's:", c.P99Ratio, c.P99Low, c.P99High, P99Target))
	}
	if r := f.Restart; r != nil {
		v := Verdict{fmt.Sprintf("%d of %d pods not created while a replica restarted %d times (0)", r.Failed, r.Created+r.Failed, f.Restarts), "ok"}
		if r.Failed > 0 {
			v.Word = "MISSED"
		}
		out = append(out, v)
	}
	return out
}

// Print writes the table and a line for each verdict.
func Print(w io.Writer, f figures.Cluster) error {
	m := f.Machine
	fmt.Fprintf(w, "%s, %d processors, load %.1f, API server %s; pod %s, %d rounds by turns; ms; x = times the constant patch\n\n",
		m.Processor, m.Processors, m.Load, f.Server, f.Pod, f.Rounds)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "way\tclients\tpods\tp50\tx\tp90\tp99\tx\tper second\t")
	for _, c := range f.Creations {
		fmt.Fprintf(t, "%s\t%d\t%d\t%.1f\t%.2f\t%.1f\t%.1f\t%.2f\t%.0f\t\n",
			c.Way, c.Clients, c.Created, c.P50, c.P50Ratio, c.P90, c.P99, c.P99Ratio, c.PerSecond)
	}
	if r := f.Restart; r != nil {
		fmt.Fprintf(t, "%s\t%d\t%d\t%.1f\t\t%.1f\t%.1f\t\t%.0f\t\n", r.Way, r.Clients, r.Created, r.P50, r.P90, r.P99, r.PerSecond)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, v := range Verdicts(f) {
		if _, err := fmt.Fprintf(w, "bench-cluster: %s %s\n", v.What, v.Word); err != nil {
			return err
		}
	}
	return nil
}
