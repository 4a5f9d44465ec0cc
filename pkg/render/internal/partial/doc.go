// Package partial evaluates templates in part.
//
// [Compile] turns a parsed template into a [Program]: what follows from the
// constants of the data is worked out, branches that cannot be taken are gone,
// loops over constants are written out, called templates are built into their
// caller, fields of Go types are found beforehand, and functions are called without
// reflection where their type is a usual one. [Program.Run] executes what depends
// on the pod.
//
// # Law
//
// A program writes the text that text/template writes, or Run returns false and the
// caller executes the template with text/template. So text/template alone defines
// what a template means, what its errors say and how its limits are exceeded.
//
// # Language
//
// Compile returns nil for a template that uses what is rare: break and continue,
// methods other than String and Get..., methods with arguments, values piped into
// and and or, the functions call and slice, complex numbers, a range that assigns
// to variables that exist already, assignment to $, recursion. It also returns nil
// for a template that would become too large when its loops and calls are written
// out. A Program falls back on every error, on exceeded limits, and on values that
// are rare: unsigned numbers in comparisons, loops over numbers and functions,
// strings that are indexed.
//
// # Defects
//
// Falling back is intended; any other panic in this package is a defect. It does
// not harm the pod, because it is recovered from and the template is executed by
// text/template, but it is passed to [Options.Defect], so that it fails tests and
// can be counted.
package partial
