package app

import (
	"context"
	"runtime/debug"
	"time"
)

const (
	// startSettles is when a start is over: all that it reads has been read.
	startSettles = 5 * time.Second
	// quietFor is how long nobody may call until memory is given back. It costs a
	// collection and, with the next calls, some hundred minor faults for pages to
	// come back, so not between the pods of one rollout.
	quietFor = 30 * time.Second
)

// giveBack returns memory to the system that is not in use.
func (s *service) giveBack() {
	debug.FreeOSMemory()
	if err := releaseProgram(); err != nil {
		s.log.Debug("pages of the program stay resident", "error", err)
	}
}

// keepSmall gives memory back after the start, and whenever calls have come and
// then stopped coming.
func (s *service) keepSmall(ctx context.Context) error {
	settled := time.NewTimer(startSettles)
	defer settled.Stop()
	ticker := time.NewTicker(quietFor)
	defer ticker.Stop()
	q := quiet{given: -1}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-settled.C:
		case <-ticker.C:
		}
		if q.look(s.calls.Load()) {
			s.giveBack()
		}
	}
}

// quiet tells when calls have stopped coming.
type quiet struct {
	last  int64 // how many there were at the last look
	given int64 // and when memory was last given back; -1 before
}

// look reports whether memory is to be given back, now that there were so many
// calls.
func (q *quiet) look(calls int64) bool {
	now := calls == q.last && calls != q.given
	if now {
		q.given = calls
	}
	q.last = calls
	return now
}
