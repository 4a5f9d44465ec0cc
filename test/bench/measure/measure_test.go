package measure

import (
	"crypto/sha256"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestQuantile(t *testing.T) {
	for _, c := range []struct {
		values []float64
		q      float64
		want   float64
	}{
		{nil, 0.5, 0},
		{[]float64{7}, 0.99, 7},
		{[]float64{3, 1, 2}, 0.5, 2},
		{[]float64{4, 1, 3, 2}, 0.5, 2.5},
		{[]float64{0, 10}, 0.9, 9},
		{[]float64{5, 1, 3}, 0, 1},
		{[]float64{5, 1, 3}, 1, 5},
	} {
		if got := Quantile(c.values, c.q); got != c.want {
			t.Errorf("Quantile(%v, %v) = %v, want %v", c.values, c.q, got, c.want)
		}
	}
}

func TestRatiosAreTakenRoundByRound(t *testing.T) {
	// One noisy round must not move the median.
	if got := Median(Ratios([]float64{2, 200, 4}, []float64{1, 100, 1})); got != 2 {
		t.Errorf("median of the ratios is %v, want 2", got)
	}
}

func TestInterleavedFindsOutWhatCostsMore(t *testing.T) {
	// Little memory, much to compute: how long memory takes depends on what else
	// goes on.
	sink, block := make([][]byte, 1), make([]byte, 1024)
	work := func(times int) func(int, int) {
		return func(_, n int) {
			for range n * times {
				sink[0] = make([]byte, 16)
				sum := sha256.Sum256(block)
				copy(sink[0], sum[:])
			}
		}
	}
	seen := 0
	s := Interleaved(Plan{Rounds: 9, Turn: 2 * time.Millisecond},
		Subject{"one", work(100)},
		Subject{"four", work(400)},
		Subject{"counting", func(first, n int) {
			if first != seen {
				t.Errorf("turn begins with operation %d, want %d", first, seen)
			}
			seen += n
			work(100)(first, n)
		}},
	)
	if got := s[1].Allocs / s[0].Allocs; got < 3.9 || got > 4.1 {
		t.Errorf("four times the work allocates %.2f times as often", got)
	}
	if got := s[0].Allocs; got < 100 || got > 101 {
		t.Errorf("100 allocations were counted as %v", got)
	}
	// The fastest rounds: in others, the processor may have been another test's.
	if got := slices.Min(s[1].Wall) / slices.Min(s[0].Wall); got < 2 || got > 8 {
		t.Errorf("four times the work takes %.2f times as long", got)
	}
	if n := len(s[0].Wall); n != 9 || len(s[0].CPU) != 9 {
		t.Errorf("%d rounds, want 9", n)
	}
}

func TestIntervalHoldsTheMedianAsOftenAsItSays(t *testing.T) {
	source := rand.New(rand.NewPCG(1, 2))
	const times = 2000
	held := 0
	for range times {
		var sample []float64
		for range 21 {
			sample = append(sample, math.Exp(source.NormFloat64())) // skewed, its median is 1
		}
		if low, high := Interval(sample); low <= 1 && 1 <= high {
			held++
		}
	}
	if share := float64(held) / times; share < 0.94 || share > 0.995 {
		t.Errorf("the interval holds the median in %.1f %% of the samples", 100*share)
	}
	if low, high := Interval([]float64{3, 1}); low != 1 || high != 3 {
		t.Errorf("of two values the interval is %v to %v", low, high)
	}
}
