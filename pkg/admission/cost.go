package admission

import "bytes"

// What a pod needs while it is injected is estimated from its text, before any of it
// is decoded. The live heap for each kind of pod that the engine's bounds let through
// lies below this (TestCostIsEnough); garbage is the collector's, which Go's memory
// limit makes work harder.
const (
	// costBase is for the smallest pod with the templates.
	costBase = 768 << 10
	// costPerByte is for text, of which the decoder, the engine, the difference and the
	// answer have copies.
	costPerByte = 16
	// costPerValue is for each value, of which there is one for each comma: an empty
	// argument, or an entry of a map, is three bytes of text.
	costPerValue = 256
	// costPerObject is for each of the first fewObjects in the text: a container or a
	// volume is some bytes in JSON and a large struct in memory, several times. The
	// engine takes no more of them.
	costPerObject = 4 << 10
	fewObjects    = 4 << 10
	// costPerMore is for each further object: variables, mounts, tolerations.
	costPerMore = 512
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
	objects := int64(bytes.Count(body, []byte("{")))
	few := min(objects, fewObjects)
	values := int64(bytes.Count(body, []byte(",")))
	return costBase + costPerByte*int64(len(body)) + costPerValue*values + costPerObject*few + costPerMore*(objects-few)
}
