package admission

import "bytes"

// What a pod needs while it is injected is estimated from its text: what is
// allocated for it at any time lies below this, by measurement of pods of each kind
// that the bounds on pods let through (TestCostIsEnough).
const (
	// costBase is for the smallest pod with the templates.
	costBase = 512 << 10
	// costPerByte is for text, such as annotations, of which the engine, the
	// difference and the answer each have a copy.
	costPerByte = 16
	// costPerObject is for each object in the text: a container or a volume is some
	// bytes in JSON and a large struct in memory.
	costPerObject = 4 << 10
)

const (
	// smallShare is the part, one in four, of the memory for work that is kept for
	// small pods: these never wait for large ones, and large ones never for a stream
	// of small ones.
	smallShare = 4
	// smallCost is the most that a small pod costs: it has dozens of containers.
	smallCost = 4 << 20
)

// cost returns how much memory a review's pod may need while it is injected, in
// bytes.
func cost(body []byte) int64 {
	return costBase + costPerByte*int64(len(body)) + costPerObject*int64(bytes.Count(body, []byte("{")))
}
