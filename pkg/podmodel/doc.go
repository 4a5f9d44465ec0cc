// Package podmodel is the one model of a pod that the engine works on: the typed
// value of k8s.io/api, and beside it the fields that its Go types do not have.
//
// An API server may be newer than the injector, and so may a template. What they
// write that the Go types cannot hold must survive all the same, and must merge,
// be overridden and be compared like any other field. A [Pod] therefore carries a
// tree of [Fields] next to the typed pod. Pods without unknown fields, nearly all,
// have a nil tree, and nothing is spent on it.
//
// [Decode] reads a pod from JSON as an API server does; [Append] writes a value
// with its unknown fields. The elements of a list are addressed in the tree by
// their full identity (every merge key, see [Fields.Items]), not by position, so
// reordering a list or removing elements needs no change to the tree.
//
// Trees are shared between pods and never written to: a change is made to a
// [Fields.Clone].
package podmodel
