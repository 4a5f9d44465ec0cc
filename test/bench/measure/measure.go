// Package measure times several operations against each other on a machine that
// is busy with other things too: in short turns, one after the other, many
// times over. What disturbs the machine then disturbs all of them alike, and
// the ratio of two operations, taken round by round, has a stable median.
package measure

import (
	"math"
	"runtime"
	"slices"
	"time"
)

// Subject is an operation to be timed.
type Subject struct {
	Name string
	// Do does it n times. It is told the number of the first of them, counted
	// from the start, so that no two need be about the same input.
	Do func(first, n int)
}

// Series is what was measured of one subject, one value for each round.
type Series struct {
	Name string
	// Wall is the time that passed, CPU the processor time of the whole process
	// (the garbage collector's share included), both in nanoseconds per operation.
	Wall, CPU []float64
	// Allocs and Bytes are what one operation allocates.
	Allocs, Bytes float64
}

// Plan says how long to measure.
type Plan struct {
	Rounds int
	// Turn is how long one subject's turn takes, about: long enough that the
	// clock and the garbage collector's rhythm do not matter, short enough that
	// the machine is the same for all turns of a round.
	Turn time.Duration
}

// Interleaved measures the subjects by turns. Each round begins with another
// subject, so that none always follows the same one.
func Interleaved(p Plan, subjects ...Subject) []Series {
	series := make([]Series, len(subjects))
	size := make([]int, len(subjects))
	next := make([]int, len(subjects))
	for i, s := range subjects {
		series[i].Name = s.Name
		size[i], next[i] = calibrate(s, p.Turn)
		series[i].Allocs, series[i].Bytes = allocations(s, &next[i])
	}
	for round := range p.Rounds {
		for k := range subjects {
			i := (round + k) % len(subjects)
			// Nobody pays for the garbage of the one before.
			runtime.GC()
			cpu, start := ProcessorTime(), time.Now()
			subjects[i].Do(next[i], size[i])
			wall, used := time.Since(start), ProcessorTime()-cpu
			next[i] += size[i]
			series[i].Wall = append(series[i].Wall, float64(wall.Nanoseconds())/float64(size[i]))
			series[i].CPU = append(series[i].CPU, float64(used.Nanoseconds())/float64(size[i]))
		}
	}
	return series
}

// calibrate finds how often a subject must be done to fill a turn, and how often
// it was done to find out. Of several tries the shortest counts: in the others,
// the processor may have been somebody else's.
func calibrate(s Subject, turn time.Duration) (size, done int) {
	const tries = 3
	for size = 1; ; size *= 2 {
		took := time.Duration(math.MaxInt64)
		for range tries {
			start := time.Now()
			s.Do(done, size)
			took = min(took, time.Since(start))
			done += size
		}
		if took >= turn/2 || size >= 1<<24 {
			per := max(took/time.Duration(size), 1)
			return max(1, int(turn/per)), done
		}
	}
}

// allocations is the least of three counts: what other goroutines allocate
// meanwhile can only add to it.
func allocations(s Subject, next *int) (objects, bytes float64) {
	const times, operations = 3, 50
	// Pools that the collector has just emptied would be filled anew, at the cost
	// of whoever comes first.
	s.Do(*next, 1)
	*next++
	for i := range times {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		s.Do(*next, operations)
		runtime.ReadMemStats(&after)
		*next += operations
		o, b := float64(after.Mallocs-before.Mallocs)/operations, float64(after.TotalAlloc-before.TotalAlloc)/operations
		if i == 0 || o < objects {
			objects, bytes = o, b
		}
	}
	return objects, bytes
}

// Median of the values, which are not changed; 0 of none.
func Median(values []float64) float64 { return Quantile(values, 0.5) }

// Quantile q, between 0 and 1, of the values, by linear interpolation between
// neighbours; 0 of none.
func Quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}

// Interval bounds the median of what the values are a sample of, with a
// confidence of about 95 %: by order statistics, so whatever the distribution.
// With fewer than 6 values it is their whole range.
func Interval(values []float64) (low, high float64) {
	if len(values) == 0 {
		return 0, 0
	}
	sorted := slices.Sorted(slices.Values(values))
	n := float64(len(sorted))
	reach := 1.96 * math.Sqrt(n) / 2
	first := max(int(math.Floor(n/2-reach)), 0)
	last := min(int(math.Ceil(n/2+reach)), len(sorted)-1)
	return sorted[first], sorted[last]
}

// Ratios is a to b, round by round.
func Ratios(a, b []float64) []float64 {
	out := make([]float64, min(len(a), len(b)))
	for i := range out {
		out[i] = a[i] / b[i]
	}
	return out
}
