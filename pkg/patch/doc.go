// Package patch writes the difference between two pods as a JSON patch (RFC 6902).
//
// [Diff] compares the typed values and the unknown fields of two pods, see package
// [github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel]. Its cost is
// proportional to the change: memory that the two pods share is not looked at.
package patch
