package server

import (
	"fmt"
	"net/http"
	"sync/atomic"
)

const (
	// DefaultMaxRequests open at one time: the mutating requests that five API
	// servers of default size have in flight.
	DefaultMaxRequests = 1024
	// DefaultMaxBytes of request bodies in memory at one time. A usual review is
	// some 10 KiB, so the usual 1,024 fit twice over; of the largest there may be
	// four.
	DefaultMaxBytes = 32 << 20
)

// Limits of what may be open at one time.
type Limits struct {
	// Requests open at one time; zero means DefaultMaxRequests.
	Requests int
	// Bytes of bodies of open requests; zero means DefaultMaxBytes.
	Bytes int64
	// Unsized is what a request counts that does not say its length: the largest
	// that the handler reads.
	Unsized int64
	// InFlight is told the number of open requests' changes, +1 and -1; may be nil.
	InFlight func(delta int)
	// Rejected is told which limit turned a request away, "requests" or "bytes";
	// may be nil.
	Rejected func(limit string)
}

// Limit lets no more requests through to next than the limits allow. Others
// are answered at once with 429 and `Retry-After: 1`: Kubernetes' client obeys
// it and tries again while the webhook call's timeout lasts, often on another
// replica. A queue would only hold memory and time until that timeout.
func Limit(next http.Handler, l Limits) http.Handler {
	if l.Requests == 0 {
		l.Requests = DefaultMaxRequests
	}
	if l.Bytes == 0 {
		l.Bytes = DefaultMaxBytes
	}
	return &limiter{Limits: l, next: next}
}

type limiter struct {
	Limits
	next     http.Handler
	requests atomic.Int64
	bytes    atomic.Int64
}

func (l *limiter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if l.requests.Add(1) > int64(l.Requests) {
		l.requests.Add(-1)
		l.reject(w, "requests", fmt.Sprintf("%d requests are open already, try again", l.Requests))
		return
	}
	defer l.requests.Add(-1)

	size := r.ContentLength
	if size < 0 || (l.Unsized > 0 && size > l.Unsized) {
		// Larger ones are refused by the handler before they are read.
		size = l.Unsized
	}
	if l.bytes.Add(size) > l.Bytes {
		l.bytes.Add(-size)
		l.reject(w, "bytes", fmt.Sprintf("open requests hold %d bytes already, try again", l.Bytes))
		return
	}
	defer l.bytes.Add(-size)

	if l.InFlight != nil {
		l.InFlight(1)
		defer l.InFlight(-1)
	}
	l.next.ServeHTTP(w, r)
}

func (l *limiter) reject(w http.ResponseWriter, limit, sentence string) {
	if l.Rejected != nil {
		l.Rejected(limit)
	}
	w.Header().Set("Retry-After", "1")
	http.Error(w, sentence, http.StatusTooManyRequests)
}
