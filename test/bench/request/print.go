package request

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"

	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/figures"
)

// Print writes the table, and a line with the verdict, which counts the targets
// that are met.
func Print(w io.Writer, r figures.Requests) error {
	m := r.Machine
	fmt.Fprintf(w, "%s, %d processors, %s, load %.1f; %d rounds by turns, medians; x = times the floor in processor time (wall clock in brackets)\n\n",
		m.Processor, m.Processors, m.Go, m.Load, r.Rounds)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "pod\tdialect\tfloor µs\tallocs\tcold µs\tallocs\tx\ttarget\twarm µs\tallocs\tx\ttarget\tspread\t")
	met, all := 0, 0
	for _, q := range r.Requests {
		fmt.Fprintf(t, "%s\t%s\t%.1f\t%.0f\t", q.Pod, q.Dialect, q.Floor.CPU, q.Floor.Allocs)
		for _, c := range []figures.Cost{q.Cold, q.Warm} {
			fmt.Fprintf(t, "%.1f\t%.0f\t%.2f (%.2f)\t%s\t", c.CPU, c.Allocs, c.Ratio, c.Wall, verdict(c))
			if c.Target > 0 {
				all++
				if c.Met() {
					met++
				}
			}
		}
		fmt.Fprintf(t, "%.0f%%\t\n", 100*max(q.Cold.Spread, q.Warm.Spread))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(r.Requests) > 0 {
		fmt.Fprintf(w, "\nbench: request targets met %d of %d\n", met, all)
	}
	if len(r.Sizes) > 1 {
		return printSizes(w, r.Sizes)
	}
	return nil
}

func verdict(c figures.Cost) string {
	switch {
	case c.Target == 0:
		return "-"
	case c.Met():
		return fmt.Sprintf("%.3g ok", c.Target)
	}
	return fmt.Sprintf("%.3g MISSED", c.Target)
}

func printSizes(w io.Writer, sizes []figures.Request) error {
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "pod\tKB\tfloor µs\tcold µs\tx\tallocs\t")
	for _, q := range sizes {
		fmt.Fprintf(t, "%s\t%.1f\t%.0f\t%.0f\t%.2f\t%.0f\t\n", q.Pod, float64(q.Bytes)/1000,
			q.Floor.CPU, q.Cold.CPU, q.Cold.Ratio, q.Cold.Allocs)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	power := Power(sizes)
	word := "linear"
	if power > maxPower {
		word = "NOT LINEAR"
	}
	_, err := fmt.Fprintf(w, "\nbench: cost in the pod's size is %s: what a pod's size adds grows with its power %.2f\n", word, power)
	return err
}

// maxPower is what still passes for linear: a logarithmic factor over these sizes
// gives about 1.1, quadratic cost 2.
const maxPower = 1.25

// Power is the exponent with which the part of the cost that depends on the
// size grows, between a quarter of the largest size and the largest.
func Power(sizes []figures.Request) float64 {
	first, quarter, last := sizes[0], sizes[max(1, len(sizes)-3)], sizes[len(sizes)-1]
	cost := (last.Cold.CPU - first.Cold.CPU) / (quarter.Cold.CPU - first.Cold.CPU)
	size := float64(last.Bytes-first.Bytes) / float64(quarter.Bytes-first.Bytes)
	return math.Log(cost) / math.Log(size)
}
