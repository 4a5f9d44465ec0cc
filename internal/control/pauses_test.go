package control

import (
	"testing"
	"time"
)

// The pauses after failures double from the first to the longest; up to half of
// each is taken off at random.
func TestRetryPauses(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for random, want := range map[float64][]time.Duration{
		0:   {time.Second, 2 * time.Second, 4 * time.Second, 5 * time.Second, 5 * time.Second},
		0.5: {750 * time.Millisecond, 1500 * time.Millisecond, 3 * time.Second, 3750 * time.Millisecond},
		1:   {500 * time.Millisecond, time.Second, 2 * time.Second, 2500 * time.Millisecond},
	} {
		l := New(Options{MinBackoff: time.Second, MaxBackoff: 5 * time.Second, Rand: func() float64 { return random }, Budget: Budget{Burst: 1, Every: time.Second}})
		for i, pause := range want {
			if got := l.retry(now).Sub(now); got != pause {
				t.Errorf("random %v: pause %d is %v, want %v", random, i+1, got, pause)
			}
		}
	}
}

// A bucket gives as many tokens at once as it holds, then one after the other. It
// counts as spent from the first token that is missing until it is half full.
func TestBucket(t *testing.T) {
	start := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for _, tc := range []struct{ burst, enough int }{{10, 5}, {3, 1}, {1, 1}} {
		b := newBucket(Budget{Burst: tc.burst, Every: 10 * time.Second})
		for i := range tc.burst {
			if ok, _ := b.take(start); !ok || b.spent {
				t.Fatalf("burst %d: token %d is missing", tc.burst, i+1)
			}
		}
		if at := b.update(start); !at.IsZero() || b.spent {
			t.Errorf("burst %d: an empty bucket that nobody waits for is spent", tc.burst)
		}
		ok, at := b.take(start)
		if want := start.Add(10*time.Second + 1); ok || !at.Equal(want) || !b.spent {
			t.Errorf("burst %d: token %v at %v, want none until %v", tc.burst, ok, at, want)
		}
		half := start.Add(time.Duration(tc.enough)*10*time.Second + 1)
		if at := b.update(start); !at.Equal(half) || !b.spent {
			t.Errorf("burst %d: spent %v until %v, want %v", tc.burst, b.spent, at, half)
		}
		if at := b.update(half.Add(-time.Millisecond)); at.IsZero() || !b.spent {
			t.Errorf("burst %d: not spent any more before %v", tc.burst, half)
		}
		if at := b.update(half); !at.IsZero() || b.spent {
			t.Errorf("burst %d: still spent at %v", tc.burst, half)
		}
	}
}
