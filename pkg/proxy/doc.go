// Package proxy holds the features of the proxy that templates cannot express,
// because they depend on the rest of the pod.
//
// Each feature is one file, with what it does to a merged pod and the reverse,
// which gives the pod back as it was:
//
//	location.go   [Location.Apply] and [Location.Revert]: cluster and network
//	metrics.go    [Metrics.Apply] and [Metrics.Revert]: the application's metrics,
//	              collected by the proxy's agent; [AnnounceSecurePort], [RevertSecurePort]
//	probes.go     [Probes.Apply] and [RevertProbes]: probes redirected to the agent
//	native.go     [MoveToInit] and [MoveBack]: the proxy as a native sidecar
//	user.go       [PropagateUser]: the user that the proxy runs as
//	openshift.go  [OpenShiftIDs] and [DropAssignedUser]: users that OpenShift assigns
//	order.go      [Order] and [KeepOrder]: the order of containers and list items
//
// What user.go and order.go do needs no reverse: it changes containers that are
// removed as a whole, or only their order.
//
// # What may be written to
//
// Pods share memory: with the pod that was received, with other pods, and with
// overlays that are remembered. A function that takes a pod or its spec writes to
// the struct itself, to its lists of containers, and to its maps of labels and
// annotations, so it must be given what [CopyForWrite] returned. Everything below
// (the lists, pointers and maps within a container, volumes, security contexts) is
// replaced by a changed copy and never written to.
package proxy
