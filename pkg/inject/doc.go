// Package inject is the engine: it decides whether a pod gets sidecars, renders and
// merges the templates, and writes the result as a patch. The webhook, the manifest
// commands, the benchmarks and the fuzzers all call it, so they cannot disagree.
//
// [Compile] turns a configuration into a [Snapshot], which never changes.
// [Snapshot.Inject] takes one pod through the steps of inject.go, each of which is a
// function of its own file:
//
//	receive     request.go    the pod, or, of a large one, its outline
//	decide      request.go    package decide
//	decode      request.go    JSON to the typed pod and its unknown fields; limits.go
//	prepare     request.go    the pod's annotations: templates, proxy configuration
//	strip       earlier.go    the pod without an earlier injection
//	render      render.go     package render; package merge parses the text
//	merge       merge.go      package merge
//	declared    declared.go   the user's own version of a container has the last word
//	finish      finish.go     package proxy: what templates cannot do
//	record      finish.go     package status: what was added
//	difference  request.go    package patch
//
// All steps share one budget, budget.go: they end when their caller has gone.
//
// [Load] judges a configuration before it is used: judge.go has its templates tried on
// the pods of samples.go (trial.go), and looks for fields that no pod has (fields.go).
//
// classic.go has the same for the classic dialect, uninject.go the reverse.
//
// # Sharing
//
// Pods share memory with each other, with the pod received and with parsed overlays
// that are remembered. What a pod refers to is replaced, never written to; package
// proxy says what its functions need a copy of.
package inject
