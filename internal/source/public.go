package source

import (
	"errors"
	"strings"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cut"
)

// maxShown is how much of an error is shown, in bytes: a screen of lines that each
// name a place.
const maxShown = 4 << 10

// publicError is an error for logs, metrics and status pages, whose readers have not
// got the configuration: it names files, lines and fields, and none of the values,
// which may be secrets. Who has the files asks validate, which shows all.
type publicError struct{ full error }

func (e *publicError) Error() string { return cut.Lines(publicText(e.full), maxShown) }
func (e *publicError) Unwrap() error { return e.full }

// public returns the error as others may read it; nil for none.
func public(err error) error {
	if err == nil {
		return nil
	}
	return &publicError{err}
}

// publicText is the text of an error, with the public ones of those that it wraps
// and that have one.
func publicText(err error) string {
	if e, ok := err.(interface{ Public() string }); ok {
		return e.Public()
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var texts []string
		for _, e := range joined.Unwrap() {
			texts = append(texts, publicText(e))
		}
		return strings.Join(texts, "\n")
	}
	inner := errors.Unwrap(err)
	if inner == nil {
		return err.Error()
	}
	return strings.ReplaceAll(err.Error(), inner.Error(), publicText(inner))
}
