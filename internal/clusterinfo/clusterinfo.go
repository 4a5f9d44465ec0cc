// Package clusterinfo answers the engine's questions about the cluster from
// memory: can the nodes run native sidecars, and which labels and annotations does
// a namespace have. A [Cache] follows both through the API server.
package clusterinfo

import (
	"sync"
	"sync/atomic"
)

// Cache is what is known of the cluster. It implements inject.Cluster. Readers
// take no lock; the two followers are the only writers.
type Cache struct {
	nativeSidecars string // auto, on, off

	nodes      sync.Map // name to bool: its kubelet runs native sidecars
	everyNode  atomic.Bool
	namespaces sync.Map // name to *namespace
}

// namespace is what is kept of a namespace.
type namespace struct{ labels, annotations map[string]string }

// New returns a cache that knows nothing yet. nativeSidecars is what the answer
// about nodes comes from: "auto" from the nodes, "on" and "off" say it themselves.
func New(nativeSidecars string) *Cache { return &Cache{nativeSidecars: nativeSidecars} }

// NativeSidecars reports whether the node runs native sidecars, or, with an empty
// name, whether every node does. Without a node that is known, none does.
func (c *Cache) NativeSidecars(node string) bool {
	switch c.nativeSidecars {
	case "on":
		return true
	case "off":
		return false
	}
	if node == "" {
		return c.everyNode.Load()
	}
	native, ok := c.nodes.Load(node)
	return ok && native.(bool)
}

// Namespace returns the labels and annotations of a namespace; ok is false when it
// is not known. The maps must not be changed.
func (c *Cache) Namespace(name string) (labels, annotations map[string]string, ok bool) {
	v, ok := c.namespaces.Load(name)
	if !ok {
		return nil, nil, false
	}
	n := v.(*namespace)
	return n.labels, n.annotations, true
}

// replaceAll makes m hold what is in list and nothing else. Readers see each
// name that was there and still is at every moment.
func replaceAll[T any](m *sync.Map, list []T, key func(T) string, set func(T)) {
	keep := make(map[string]bool, len(list))
	for _, item := range list {
		keep[key(item)] = true
		set(item)
	}
	m.Range(func(k, _ any) bool {
		if !keep[k.(string)] {
			m.Delete(k)
		}
		return true
	})
}
