package request

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/engine"
	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/figures"
)

// MaxAgainst is how much dearer, as a factor of the ratio to the floor, a request
// may have become since the commit compared with. A tenth is more than the runs of
// one commit differ by.
const MaxAgainst = 1.1

// PrintAgainst writes what the requests of the current dialect cost now, against what
// they cost at another commit, and a line with the verdict. Both are medians over
// runs that were made by turns. It reports whether everything is within its bound:
// [MaxAgainst] for the ratios, and what the other commit needed for allocations.
func PrintAgainst(w io.Writer, base, now []figures.Requests) (ok bool, err error) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "pod\tmode\tratio then\tnow\ttimes\tallocations then\tnow\t")
	worst, ratios, more := 0.0, 0, 0
	for i, q := range now[0].Requests {
		if q.Dialect != "current" {
			continue
		}
		for _, mode := range []engine.Mode{engine.Cold, engine.Warm} {
			cost := func(r figures.Request) figures.Cost { return r.Cold }
			if mode == engine.Warm {
				cost = func(r figures.Request) figures.Cost { return r.Warm }
			}
			then, err := medians(base, i, q, cost)
			if err != nil {
				return false, err
			}
			is, err := medians(now, i, q, cost)
			if err != nil {
				return false, err
			}
			times := is.Ratio / then.Ratio
			worst, ratios = max(worst, times), ratios+1
			if is.Allocs > then.Allocs {
				more++
			}
			fmt.Fprintf(t, "%s\t%s\t%.2f\t%.2f\t%.2f\t%.0f\t%.0f\t\n", q.Pod, mode, then.Ratio, is.Ratio, times, then.Allocs, is.Allocs)
		}
	}
	if err := t.Flush(); err != nil {
		return false, err
	}
	ok = worst <= MaxAgainst && more == 0
	verdict := "ok"
	if !ok {
		verdict = "MISSED"
	}
	_, err = fmt.Fprintf(w, "\nbench-against: %s, ratios %d, the worst %.2f times that of %s (%.2f), more allocations %d: %s\n",
		now[0].Machine.Commit, ratios, worst, base[0].Machine.Commit, MaxAgainst, more, verdict)
	return ok, err
}

// medians returns the medians of one request over several runs.
func medians(runs []figures.Requests, i int, want figures.Request, cost func(figures.Request) figures.Cost) (figures.Cost, error) {
	var ratios, allocs []float64
	for _, run := range runs {
		if i >= len(run.Requests) || run.Requests[i].Pod != want.Pod || run.Requests[i].Dialect != want.Dialect {
			return figures.Cost{}, fmt.Errorf("the runs measured different requests: one has no %s in the %s dialect as its request %d", want.Pod, want.Dialect, i+1)
		}
		c := cost(run.Requests[i])
		ratios, allocs = append(ratios, c.Ratio), append(allocs, c.Allocs)
	}
	slices.Sort(ratios)
	slices.Sort(allocs)
	return figures.Cost{Ratio: ratios[len(ratios)/2], Allocs: allocs[len(allocs)/2]}, nil
}
