package merge

import (
	"fmt"
	"strings"
)

// Error says which field of an overlay cannot be merged, and why.
type Error struct {
	// Path is the field, for example `spec.containers[istio-proxy].ports[0].protocol`;
	// empty for the overlay as a whole.
	Path string
	// Problem says what is wrong with the value, and what would be right.
	Problem string

	cause error
}

// Unwrap returns what is beyond a bound of aliases, if that is the problem.
func (e *Error) Unwrap() error { return e.cause }

func (e *Error) Error() string {
	if e.Path == "" {
		return e.Problem
	}
	return e.Path + ": " + e.Problem
}

func errorf(format string, args ...any) error {
	return &Error{Problem: fmt.Sprintf(format, args...)}
}

// at puts a field name or a [key] in front of an error's path. Paths are put
// together on the way out, so that the way in costs nothing.
func at(step string, err error) error {
	e, ok := err.(*Error)
	if !ok || err == nil {
		return err
	}
	path := step
	switch {
	case e.Path == "":
	case strings.HasPrefix(e.Path, "["):
		path += e.Path
	default:
		path += "." + e.Path
	}
	return &Error{Path: path, Problem: e.Problem, cause: e.cause}
}
