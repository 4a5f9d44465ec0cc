package cluster

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/figures"
)

// The targets, to the constant patch; and to the policy with policyClients and
// more.
const (
	P50Target     = 1.05
	P99Target     = 1.1
	policyClients = 4
)

// Verdict is one target.
type Verdict struct {
	What string
	Met  bool
}

// Verdicts of a run.
func Verdicts(f figures.Cluster) []Verdict {
	var out []Verdict
	for _, c := range f.Creations {
		if c.Way != Injector {
			continue
		}
		out = append(out,
			Verdict{fmt.Sprintf("p50 with %d clients is %.2f times the constant patch's (<= %.2f)", c.Clients, c.P50Ratio, P50Target), c.P50Ratio <= P50Target},
			Verdict{fmt.Sprintf("p99 with %d clients is %.2f times the constant patch's (<= %.2f)", c.Clients, c.P99Ratio, P99Target), c.P99Ratio <= P99Target})
		for _, other := range f.Creations {
			if other.Way == Policy && other.Clients == c.Clients && c.Clients >= policyClients {
				ratio := c.P50Ratio / other.P50Ratio
				out = append(out, Verdict{fmt.Sprintf("p50 with %d clients is %.2f times the policy's (<= 1)", c.Clients, ratio), ratio <= 1})
			}
		}
	}
	if f.Restart != nil {
		out = append(out, Verdict{fmt.Sprintf("%d of %d pods not created while a replica restarted %d times (0)",
			f.Restart.Failed, f.Restart.Created+f.Restart.Failed, f.Restarts), f.Restart.Failed == 0})
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
		word := "ok"
		if !v.Met {
			word = "MISSED"
		}
		if _, err := fmt.Fprintf(w, "bench-cluster: %s %s\n", v.What, word); err != nil {
			return err
		}
	}
	return nil
}
