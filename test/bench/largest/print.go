package largest

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"
)

// Slowest is the longest that a pod may take, in milliseconds: a tenth of the time
// that an API server waits for a webhook by default.
const Slowest = 1000

// maxExponent is what still passes for linear: a logarithmic factor gives about 1.1
// over these sizes, memory that is touched for the first time up to 1.25, quadratic
// cost 2.
const maxExponent = 1.35

// least is the cost, in milliseconds, below which the garbage collector and the
// caches say more about it than the pod's size.
const least = 1

// Print writes the table and two lines with verdicts, and reports whether both bounds
// hold.
func Print(w io.Writer, all []Series) (ok bool, err error) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "many\tdialect\tinjected up to\tKB\tms\texponent\tlargest\tKB\tms\texponent\tanswer\t")
	slowest, steepest := 0.0, Exponent{}
	for _, s := range all {
		answered, refused := s.split()
		fmt.Fprintf(t, "%s\t%s\t", s.Kind, s.Dialect)
		for _, part := range [][]Point{answered, refused} {
			for _, p := range part {
				slowest = max(slowest, p.Milliseconds)
			}
			e := s.exponent(part)
			if e.Known && e.Value > steepest.Value {
				steepest = e
			}
			if len(part) == 0 {
				fmt.Fprint(t, "-\t-\t-\t-\t")
				continue
			}
			last := part[len(part)-1]
			fmt.Fprintf(t, "%d\t%d\t%.1f\t%s\t", last.Number, last.Bytes/1000, last.Milliseconds, e)
		}
		fmt.Fprintf(t, "%s\t\n", s.Points[len(s.Points)-1].Answer)
	}
	if err := t.Flush(); err != nil {
		return false, err
	}
	word := func(ok bool, yes, no string) string {
		if ok {
			return yes
		}
		return no
	}
	fast, linear := slowest <= Slowest, steepest.Value <= maxExponent
	_, err = fmt.Fprintf(w, "\nbench: largest pods, kinds %d, slowest %.0f ms of %d: %s\nbench: cost against number is %s, the greatest exponent %s (%s, %s dialect)\n",
		len(all), slowest, Slowest, word(fast, "ok", "MISSED"), word(linear, "linear", "NOT LINEAR"), steepest, steepest.Kind, steepest.Dialect)
	return fast && linear, err
}

// split returns the points up to the first pod that is not injected, and the others.
func (s Series) split() (answered, refused []Point) {
	for i, p := range s.Points {
		if p.Answer != Injected {
			return s.Points[:i], s.Points[i:]
		}
	}
	return s.Points, nil
}

// Exponent is the power of the number with which the cost grows.
type Exponent struct {
	Value         float64
	Known         bool // there were points that could tell
	Kind, Dialect string
}

func (e Exponent) String() string {
	if !e.Known {
		return "-"
	}
	return fmt.Sprintf("%.2f", e.Value)
}

// fewest is how many points an exponent is made of at least.
const fewest = 3

// exponent is the slope of the cost on scales of powers, by least squares, over the
// points that cost enough to tell. It is about the part of the cost that the number
// is to blame for.
func (s Series) exponent(points []Point) Exponent {
	var x, y []float64
	for _, p := range points {
		if cost := p.CPU - s.Base; cost >= least {
			x, y = append(x, math.Log(float64(p.Number))), append(y, math.Log(cost))
		}
	}
	e := Exponent{Kind: s.Kind, Dialect: s.Dialect}
	if len(x) < fewest {
		return e
	}
	e.Value, e.Known = slope(x, y), true
	return e
}

func slope(x, y []float64) float64 {
	var sumX, sumY, above, below float64
	for i := range x {
		sumX, sumY = sumX+x[i], sumY+y[i]
	}
	n := float64(len(x))
	for i := range x {
		above += (x[i] - sumX/n) * (y[i] - sumY/n)
		below += (x[i] - sumX/n) * (x[i] - sumX/n)
	}
	return above / below
}
