// Package lastgood keeps the last good configuration in a ConfigMap of the cluster, so
// that a server which starts while the current one is refused has something to serve.
//
// [Record] is what the ConfigMap says: the three documents, compressed, and since when
// and by which version they were accepted; and, while the configuration of the cluster
// is another one that is refused, why. [Keeper] writes it. [ReadDir] reads a mounted
// copy. [Announcer] tells of a refusal and of its end by Events.
//
// Whoever may edit the ConfigMap may put anything there, by mistake or not. So what is
// read is bounded, before and after it is decompressed, and believed only when its
// digest is the one that stands beside it.
package lastgood
