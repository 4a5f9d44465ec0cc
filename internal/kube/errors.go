package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// FailureKind says what kind of failure a call had.
type FailureKind string

// The kinds of failure, as they appear in logs.
const (
	NoPermission FailureKind = "no-permission"
	Unreachable  FailureKind = "api-server-unreachable"
	Conflict     FailureKind = "conflict"
	NotFound     FailureKind = "not-found"
	Refused      FailureKind = "request-refused"
)

// Classify tells failures apart by what can be done about them.
func Classify(err error) FailureKind {
	var urlErr *url.Error
	var netErr net.Error
	switch {
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return NoPermission
	case apierrors.IsConflict(err):
		return Conflict
	case apierrors.IsNotFound(err):
		return NotFound
	case errors.As(err, &urlErr), errors.As(err, &netErr),
		errors.Is(err, context.DeadlineExceeded),
		apierrors.IsServerTimeout(err), apierrors.IsTimeout(err),
		apierrors.IsServiceUnavailable(err), apierrors.IsTooManyRequests(err),
		apierrors.IsInternalError(err):
		return Unreachable
	}
	return Refused
}

// Error is a failed call of the API server, with a message for people: what
// failed, why, and what to do. [Classify] and the functions of
// k8s.io/apimachinery/pkg/api/errors see through it.
type Error struct {
	// Verb is what was tried, for example "get".
	Verb string
	// Object names kind and object, for example "secret istio-system/certs".
	Object string
	// Err is the client's error.
	Err error
}

// Error returns the message.
func (e *Error) Error() string {
	switch Classify(e.Err) {
	case NoPermission:
		return fmt.Sprintf("not allowed to %s %s: grant the service account this verb on this name (%s)", e.Verb, e.Object, cause(e.Err))
	case Unreachable:
		return fmt.Sprintf("cannot %s %s because the API server does not answer: check that it runs and that network policies allow it (%s)", e.Verb, e.Object, cause(e.Err))
	case Conflict:
		return fmt.Sprintf("cannot %s %s because somebody else changed it in the meantime", e.Verb, e.Object)
	case NotFound:
		return fmt.Sprintf("cannot %s %s because it does not exist", e.Verb, e.Object)
	}
	return fmt.Sprintf("cannot %s %s: %s", e.Verb, e.Object, cause(e.Err))
}

// Unwrap returns the client's error.
func (e *Error) Unwrap() error { return e.Err }

// cause drops the request's URL, which only repeats what the message says.
func cause(err error) string {
	var urlErr *url.Error
	if errors.As(err, &urlErr) {
		err = urlErr.Err
	}
	return strings.TrimSuffix(err.Error(), ".")
}
