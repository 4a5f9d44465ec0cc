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
// over these sizes, quadratic cost 2.
const maxExponent = 1.25

// least is the cost, in milliseconds, below which the clock and the garbage collector
// say more about it than the pod's size.
const least = 2

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

// exponent compares the last of some points with that of a quarter of its number. It
// is about the part of the cost that the number is to blame for.
func (s Series) exponent(points []Point) Exponent {
	e := Exponent{Kind: s.Kind, Dialect: s.Dialect}
	if len(points) < 3 {
		return e
	}
	first, last := points[len(points)-3], points[len(points)-1]
	cost, before := last.Milliseconds-s.Base, first.Milliseconds-s.Base
	if cost < least || before <= 0 {
		return e
	}
	// A quarter that took next to no time tells no more than that it did.
	before = max(before, least/8.0)
	e.Value, e.Known = math.Log(cost/before)/math.Log(float64(last.Number)/float64(first.Number)), true
	return e
}
