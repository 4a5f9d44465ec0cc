package config

import (
	"bytes"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/aliases"
)

// What a configuration may hold. A server loads one beside the requests at its
// work, in the same memory, so what loading needs must be bounded like what they
// need: with these bounds it is less than a second and 100 MiB of garbage, most
// of it the YAML parser's (see docs/limits.md).
const (
	// maxSource limits one file, in bytes. A ConfigMap holds at most 1 MiB in all its
	// keys, so whatever is larger did not come from one, and is a mistake.
	maxSource = 1 << 20
	// maxSources limits the three files together, in bytes: what two ConfigMaps hold.
	maxSources = 2 << 20
	// maxMarks limits what may begin a value: commas, brackets and line ends,
	// before anything is parsed. Ordinary files have one for 20 bytes, so that a
	// file of maxSource stays far below; two bytes for a value cost 250 in memory.
	maxMarks = 200_000
	// maxNodes limits the values of a file, when each alias is written out as what it
	// stands for: keys, texts, lists and maps, each as one.
	maxNodes = 100_000
	// maxExpanded limits the bytes of the same.
	maxExpanded = 2 * maxSource
	// maxDepth is how deep values may be within each other. The deepest of the
	// mesh's own configuration is 12.
	maxDepth = 100
	// maxTemplates is twenty times what a mesh brings along. Each costs a table of
	// 250 functions.
	maxTemplates = 200
	// maxName limits the name of a template or alias, in bytes: messages list
	// them. Names in Kubernetes are no longer.
	maxName = 253
	// maxAliases limits the names in aliases and defaultTemplates, all together.
	maxAliases = 1000
	// maxSelectors limits the two lists of selectors together: each is matched with
	// every pod.
	maxSelectors = 1000
	// maxAllowed limits the two allow lists together, for the same reason.
	maxAllowed = 1000
	// maxAnnotations limits the bytes of injectedAnnotations, which is what an API
	// server allows a pod: with more, it refuses every pod.
	maxAnnotations = 256 << 10
	// maxSamplePods limits samplePods: each is injected by every template when a
	// configuration is judged.
	maxSamplePods = 20
	// maxSamplePod limits the JSON of one, in bytes: ten times an ordinary pod.
	maxSamplePod = 64 << 10
	// maxReported is how many errors, and how many notes, of one file are told.
	// The others are counted.
	maxReported = 100
)

// tooLarge reports a text that is not worth parsing.
func tooLarge(s Source, r *report) bool {
	if len(s.Data) > maxSource {
		r.errorf(nil, "", "%d bytes are more than the %d that a configuration file may have", len(s.Data), maxSource)
		return true
	}
	marks := 0
	for _, mark := range []string{",", "[", "{", "\n", "\r", "\u0085", "\u2028", "\u2029"} {
		marks += bytes.Count(s.Data, []byte(mark))
	}
	if marks > maxMarks {
		r.errorf(nil, "", "%d commas, brackets and line ends are more than the %d that a configuration file may have", marks, maxMarks)
		return true
	}
	return false
}

// expanded is what a document may be when its aliases are written out.
func expanded() aliases.Bounds {
	return aliases.Bounds{Values: maxNodes, Bytes: maxExpanded, Depth: maxDepth}
}
