package app

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// placed returns helm's error about values with the places at which these were given: a
// template of the chart that refuses a value names it first, and a schema has its path.
func (g *given) placed(chart string, err error) error {
	var errs []error
	for _, line := range strings.Split(err.Error(), "\n") {
		if m := executionError.FindStringSubmatch(line); m != nil {
			line = m[1]
		} else if m := schemaError.FindStringSubmatch(line); m != nil {
			line = fieldOfSchema(m[1], m[2]) + ": " + m[2]
		}
		path, _, found := strings.Cut(line, ": ")
		origin, ok := g.find(path)
		if !found || !valuePath.MatchString(path) || !ok {
			continue
		}
		errs = append(errs, fmt.Errorf("%s: %s", origin.Start(), line))
	}
	if errs == nil {
		return fmt.Errorf("chart %s: %w", chart, err)
	}
	return errors.Join(errs...)
}

// fieldOfSchema is the path of a value that a schema names by a JSON pointer; a value that
// is not known there is its last part.
func fieldOfSchema(pointer, problem string) string {
	path := ""
	for _, step := range strings.Split(strings.TrimPrefix(pointer, "/"), "/") {
		step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		if number.MatchString(step) {
			path += "[" + step + "]"
			continue
		}
		path = strings.TrimPrefix(path+"."+step, ".")
	}
	if m := unknownProperty.FindStringSubmatch(problem); m != nil {
		path = strings.TrimPrefix(path+"."+m[1], ".")
	}
	return path
}

var (
	// executionError is how helm reports a template of a chart that calls fail; the
	// place in it is one of the chart's.
	executionError = regexp.MustCompile(`^.*execution error at \([^)]*\): (.*)$`)
	// schemaError is how helm reports a value that the chart's schema does not allow.
	schemaError     = regexp.MustCompile(`^- at '([^']*)': (.*)$`)
	unknownProperty = regexp.MustCompile(`^additional properties '([^']+)'`)
	number          = regexp.MustCompile(`^\d+$`)
	// valuePath matches the path of a value.
	valuePath = regexp.MustCompile(`^[A-Za-z][\w./-]*(\[\d+\][\w./-]*)*$`)
)
