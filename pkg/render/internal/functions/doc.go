// Package functions holds the functions that templates may call, one map for
// each dialect.
//
// The functions are pure: the same arguments give the same result, whatever the
// time, the environment and the order of a map. No function changes its arguments,
// except those for which [ChangesArguments] returns true. Their cost and the size
// of their results are limited (limits.go). A function refuses arguments that
// exceed a limit by panicking, which text/template reports as an error of the
// call; this way it keeps the type that text/template converts arguments to.
package functions
