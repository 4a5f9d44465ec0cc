// Package reload keeps a value in step with its source. A [Loop] loads on demand,
// compares by content, and keeps the last good value when a new one is refused.
// [WatchFiles] calls [Loop.Poke] when files may have changed.
//
// Configuration and certificates each have a loop of their own, so that a broken
// one never delays the other. The package knows nothing of either.
package reload
