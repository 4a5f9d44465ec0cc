package control

import (
	"time"

	"golang.org/x/time/rate"
)

// Budget bounds the writes of a Loop: a token bucket from which every write takes
// one token, also one that fails.
type Budget struct {
	// Burst is how many writes may follow each other without a pause, at least 1.
	Burst int
	// Every is how long it takes until another write may be made; more than 0.
	Every time.Duration
}

// bucket is a Budget in use.
type bucket struct {
	budget  Budget
	limiter *rate.Limiter
	// spent is true from the first write that had to wait until the bucket is half
	// full again. Without that margin a lasting fight would be reported as a new
	// trouble at every token.
	spent bool
}

func newBucket(b Budget) *bucket {
	return &bucket{budget: b, limiter: rate.NewLimiter(rate.Every(b.Every), b.Burst)}
}

// take takes a token, or returns when there will be one.
func (b *bucket) take(now time.Time) (ok bool, at time.Time) {
	if b.limiter.AllowN(now, 1) {
		return true, time.Time{}
	}
	b.spent = true
	return false, b.reaches(1, now)
}

// update ends spent when its time has come, and else returns when that will be.
func (b *bucket) update(now time.Time) time.Time {
	enough := float64(max(1, b.budget.Burst/2))
	if !b.spent || b.limiter.TokensAt(now) >= enough {
		b.spent = false
		return time.Time{}
	}
	return b.reaches(enough, now)
}

// reaches is when the bucket holds so many tokens.
func (b *bucket) reaches(tokens float64, now time.Time) time.Time {
	missing := tokens - b.limiter.TokensAt(now)
	// One nanosecond more than what rounding may have taken.
	return now.Add(time.Duration(missing*float64(b.budget.Every)) + 1)
}
