// Package workload injects manifests. [Inject] reads a stream of YAML or JSON
// documents, finds the pods that their workloads create, gives each to the engine
// and writes the documents back; [Uninject] does the reverse. Each workload gets a
// [Report].
//
// # What is kept
//
// A document that is not changed is written byte for byte as it was read. One that
// is changed keeps the order of its entries, its comments and every field that is
// not known here. To that end a manifest is held twice: as data, which is what the
// engine sees, and as a tree of YAML nodes, to which the patch is applied as well.
//
// # Errors
//
// When anything is wrong nothing is written, and the error lists every document
// that is at fault by the line where it begins.
package workload
