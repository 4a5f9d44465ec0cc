// Package render compiles the templates of an injection configuration and
// executes them within limits.
//
// [Current] and [Classic] are the two dialects. [Language.Compile] makes a
// [Template] of a text, which [Template.Execute] renders for one pod.
//
// A template sees the fields of [Data] (or [ClassicData]) and a fixed set of
// functions, nothing else: no clock, no randomness, no files, no network, and
// of the environment only what the caller passes in. The same input gives the
// same output. Whatever a template does, its execution ends: output, steps,
// depth, size of values and time are limited, see [Limits].
//
// text/template defines what a template means. For speed, Compile also evaluates
// a template in part ([Constants]); a program that results writes the very text
// that text/template writes, or leaves the pod to text/template.
package render
