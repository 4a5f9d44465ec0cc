package admission

import (
	"runtime/debug"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cut"
)

// How much of a caller's text, in bytes, goes into messages, logs and audit
// annotations. A pod's author chooses most of it, and others keep it.
const (
	// maxQuoted is for a word of the caller's within a sentence.
	maxQuoted = 80
	// maxName is for names of objects: the longest that Kubernetes allows.
	maxName = 253
	// maxMessage is for what the owner of a pod is told.
	maxMessage = 2 << 10
	// maxError is for why a call was not understood.
	maxError = 1 << 10
	// maxTemplates is for the list of templates.
	maxTemplates = 1 << 10
	// maxWarning is for one of at most maxWarnings; API servers cut them at 256 bytes
	// each when they are many.
	maxWarning  = 1 << 10
	maxWarnings = 16
	// maxStack is for the goroutine's stack after a panic: some hundred calls.
	maxStack = 16 << 10
)

// maxUID is the longest uid of a request that is taken. It must come back whole, or
// the API server does not take the answer.
const maxUID = 128

func clipWarnings(list []string) []string {
	if len(list) > maxWarnings {
		list = list[:maxWarnings:maxWarnings]
	}
	for i, w := range list {
		if len(w) > maxWarning {
			list = append([]string(nil), list...)
			list[i] = cut.Line(w, maxWarning)
		}
	}
	return list
}

// stack returns the calling goroutine's stack, cut.
func stack() []byte {
	s := debug.Stack()
	return s[:min(len(s), maxStack)]
}
