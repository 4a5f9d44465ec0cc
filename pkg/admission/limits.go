package admission

import (
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/fair"
)

const (
	// defaultMaxRequests whose bodies are in, at one time: the mutating requests that
	// five API servers of default size have in flight.
	defaultMaxRequests = 1024
	// defaultMaxReading is how many bodies are read at one time. Nobody sends more
	// than he may have open, so it is the same number; they have their own, so that
	// those who send nothing take no place of those who have sent all.
	defaultMaxReading = defaultMaxRequests
	// defaultMaxBytes of bodies and answers in memory at one time, half of it for small
	// ones and half for others. A usual review is some 10 KiB, so the usual 1,024 fit;
	// of the largest there may be two.
	defaultMaxBytes = 32 << 20
	// smallBody is the most that a small body or answer has. A body that turns out to be
	// larger needs room for all of it at once, so that bodies which could all begin do
	// not keep each other from their ends.
	smallBody = 256 << 10
	// defaultMaxWork is the memory that pods being injected may need at one time, by
	// estimate: what is left of 256 MiB after all that is counted elsewhere.
	defaultMaxWork = 96 << 20
)

const (
	// smallShare is the part, one in four, of the memory for work that is kept for
	// small pods: these never wait for large ones, and large ones never for a stream
	// of small ones.
	smallShare = 4
	// smallCost is the most memory that a small pod needs, in bytes: one of 10 KiB
	// counts 2 MiB, or 8 with a proxy configuration of its own.
	smallCost = 12 << 20
)

// The names of the limits, in [Rejection].
const (
	limitReading  = "reading"  // bodies being read
	limitRequests = "requests" // requests whose body is in
	limitBytes    = "bytes"    // of bodies and answers
	limitPace     = "pace"     // of a body's arrival
	limitTime     = "time"     // for the answer
)

// Limits of what may be open at one time; zero means the default. What a peer may
// have of each is bounded only while there is none left and another peer needs it:
// then the request that the greediest peer has had the longest is turned away,
// unless a pod is being injected for it.
type Limits struct {
	// Reading is the number of requests whose bodies are being read.
	Reading int
	// Requests is the number of those whose bodies are in.
	Requests int
	// Bytes of memory that hold bodies and answers.
	Bytes int64
	// Work is the memory that pods being injected may need, by estimate.
	Work int64
}

// Rejection is a call that was turned away because of a limit.
type Rejection struct {
	// Peer is whoever sent it.
	Peer string
	// Limit is one of the names above.
	Limit string
	// Message is what the caller was told.
	Message string
}

func (r *Rejection) Error() string { return r.Message }

// status is how a rejection is answered. Kubernetes' client obeys a Retry-After and
// tries again while the webhook call's timeout lasts, often on another replica.
func (r *Rejection) status() int {
	switch r.Limit {
	case limitPace:
		return http.StatusRequestTimeout
	case limitTime:
		return http.StatusServiceUnavailable
	}
	return http.StatusTooManyRequests
}

// room is what requests take their parts of.
type room struct {
	limits          Limits
	reading, places *fair.Pool
	bytes, giants   *fair.Pool // bytes of bodies and answers up to smallBody, and of larger ones
	small, large    *fair.Gate // turns of work, for pods of at most smallCost and for others
	paceTime        time.Duration
	// maxBody is the largest body that is read, and what names what no such body holds.
	maxBody int64
	what    string
}

func newRoom(l Limits, parallel int) *room {
	or := func(n, otherwise int64) int64 {
		if n == 0 {
			return otherwise
		}
		return n
	}
	l.Reading = int(or(int64(l.Reading), defaultMaxReading))
	l.Requests = int(or(int64(l.Requests), defaultMaxRequests))
	l.Bytes, l.Work = or(l.Bytes, defaultMaxBytes), or(l.Work, defaultMaxWork)
	if parallel == 0 {
		parallel = math.MaxInt
	}
	return &room{
		limits:  l,
		reading: fair.NewPool(int64(l.Reading)), places: fair.NewPool(int64(l.Requests)),
		bytes: fair.NewPool(l.Bytes / 2), giants: fair.NewPool(l.Bytes - l.Bytes/2),
		small: fair.NewGate(l.Work/smallShare, parallel), large: fair.NewGate(l.Work-l.Work/smallShare, parallel),
		paceTime: paceTime,
		maxBody:  maxBodyBytes, what: "pod",
	}
}

// rejection says why a limit turned a peer's request away.
func (m *room) rejection(peer, limit string) *Rejection {
	r := &Rejection{Peer: peer, Limit: limit}
	switch limit {
	case limitReading:
		r.Message = fmt.Sprintf("%d requests are being read already, try again", m.limits.Reading)
	case limitRequests:
		r.Message = fmt.Sprintf("%d requests are open already, try again", m.limits.Requests)
	case limitBytes:
		r.Message = fmt.Sprintf("open requests hold %d bytes already, try again", m.limits.Bytes)
	case limitPace:
		r.Message = fmt.Sprintf("the body does not come: send at least %d bytes in %s, or its end", paceBytes, m.paceTime)
	case limitTime:
		r.Message = "too busy to work on this request in time: try again"
	}
	return r
}
