// Package classic is the dialect of Istio 1.1: a template renders a fragment, whose
// items are appended to the pod.
//
//	fragment.go   [ParseFragment], [Fragment.Append] and [Fragment.Revert]
//	probes.go     [RedirectProbes] and [RestoreProbes]
//	group.go      [SetTokenGroup] and [UnsetTokenGroup]
//
// What may be written to is said in package proxy: a pod, or its spec, must be one
// that proxy.CopyForWrite returned, and everything below its lists of containers,
// labels and annotations is replaced and never written to. A [Fragment] is shared
// by all pods that it is appended to, so nobody writes to it.
package classic
