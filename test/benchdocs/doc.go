// Package benchdocs makes the tables and plots of the documents about
// performance from the figures that the benchmarks recorded. It is a module of
// its own because of what draws the plots; benchstat is pinned here, too.
package benchdocs
